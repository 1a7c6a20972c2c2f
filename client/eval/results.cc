#include "client/eval/results.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <utility>

#include "core/base/status.h"
#include "core/data/json_lines.h"

namespace gist::client {
namespace {

std::string Processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) {
      return line.substr(colon + 2);
    }
  }
  return "not known";
}

Results ReadFrom(const Json& json) {
  Results results;
  const Json& made = json.at("made");
  results.version = made.at("gist_version");
  results.command = made.at("command").get<std::vector<std::string>>();
  results.started_unix_ms = made.at("started_unix_ms");
  results.written_unix_ms = made.at("written_unix_ms");
  results.planned = made.at("planned");
  results.settings = WithPresentNames(made.at("settings"));
  results.server = made.at("server");
  results.machine = made.at("machine");
  results.seed = made.at("seed");
  return results;
}

}  // namespace

Json DescribeMachine() {
  utsname system = {};
  uname(&system);
  return {{"processor", Processor()},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes",
           int64_t(sysconf(_SC_PHYS_PAGES)) * int64_t(sysconf(_SC_PAGESIZE))},
          {"system", fmt::format("{} {} {}", system.sysname, system.release,
                                 system.machine)}};
}

std::string Print(const Results& results, const EvalSummary& summary) {
  Json json = {{"format", kResultsFormat}};
  json["made"] = {{"gist_version", results.version},
                  {"command", results.command},
                  {"started_unix_ms", results.started_unix_ms},
                  {"written_unix_ms", results.written_unix_ms},
                  {"complete", results.complete()},
                  {"planned", results.planned},
                  {"settings", results.settings},
                  {"seed", results.seed},
                  {"server", results.server},
                  {"machine", results.machine}};
  json["summary"] = ToJson(summary);
  json["records"] = Json::array();
  for (const Trial& trial : results.trials) {
    json["records"].push_back(ToJson(trial));
  }
  return Print(json);
}

absl::StatusOr<Results> ReadResults(const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    if (!json.is_object() || !json.contains("format") ||
        json.at("format") != kResultsFormat) {
      return absl::DataLossError(fmt::format(
          "{}: is no results file of gist eval ({})", path, kResultsFormat));
    }
    Results results = ReadFrom(json);
    for (const Json& record : json.at("records")) {
      auto trial = TrialFromJson(record);
      if (!trial.ok()) return Within(path, trial.status());
      results.trials.push_back(*std::move(trial));
    }
    return results;
  } catch (const Json::exception& error) {
    return absl::DataLossError(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace gist::client
