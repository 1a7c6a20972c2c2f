#include "tests/bench/table_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/status.h"
#include "core/data/json_lines.h"
#include "core/data/record_file.h"

namespace gist::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json ToJson(const Answered& a) {
  return {{"sample", a.sample},
          {"set", a.set},
          {"family", a.family},
          {"frame", a.frame},
          {"language", a.language},
          {"length", a.length},
          {"gists", a.gists},
          {"source", TitleOf(a.source)},
          {"depth", a.depth},
          {"seed", a.seed},
          {"key", a.key},
          {"answer", a.answer},
          {"exact", a.score.exact},
          {"contains", a.score.contains},
          {"characters", a.score.characters},
          {"document_tokens", a.document_tokens},
          {"ratio", a.ratio},
          {"first_token_seconds", a.first_token_seconds}};
}

Source SourceFrom(const json& title) {
  for (const SourceName& name : kSources) {
    if (title == name.title) return name.source;
  }
  throw json::other_error::create(
      501, fmt::format("unknown source {}", title.dump()), nullptr);
}

Answered AnsweredFrom(const json& line) {
  Answered a;
  a.sample = line.at("sample");
  a.set = line.at("set");
  a.family = line.at("family");
  a.frame = line.at("frame");
  a.language = line.at("language");
  a.length = line.at("length");
  a.gists = line.at("gists");
  a.source = SourceFrom(line.at("source"));
  a.depth = line.at("depth");
  a.seed = line.at("seed");
  a.key = line.at("key");
  a.answer = line.at("answer");
  a.score = {line.at("exact"), line.at("contains"), line.at("characters")};
  a.document_tokens = line.at("document_tokens");
  a.ratio = line.at("ratio");
  a.first_token_seconds = line.at("first_token_seconds");
  return a;
}

// Calls `take` with each line as JSON; what it throws names file and line.
template <typename Take>
absl::Status EachLine(const std::string& path, const std::string& text,
                      Take take) {
  int number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    try {
      take(json::parse(text.begin() + std::ptrdiff_t(begin),
                       text.begin() + std::ptrdiff_t(end)));
    } catch (const json::exception& error) {
      return absl::DataLossError(
          fmt::format("{}:{}: {}", path, number, error.what()));
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

json ToJson(const RunInfo& run) {
  return {{"machine", run.machine},
          {"model", run.model_name},
          {"model_fingerprint", run.model_fingerprint},
          {"adapter", run.adapter_name},
          {"adapter_fingerprint", run.adapter_fingerprint},
          {"commands", run.commands}};
}

// Of an earlier run in this folder, if there was one.
absl::Status CheckSameRun(const std::string& path, const RunInfo& run) {
  if (!fs::exists(path)) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  const json before = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json now = ToJson(run);
  for (const char* key : {"model_fingerprint", "adapter_fingerprint"}) {
    const std::string found = before.is_object() ? before.value(key, "") : "";
    if (found == now.at(key)) continue;
    return absl::FailedPreconditionError(
        fmt::format("{} has {} {:?}, the server {:?}: give another folder, or "
                    "empty this one",
                    path, key, found, now.at(key).get<std::string>()));
  }
  return absl::OkStatus();
}

// Results that were kept as PATH.zst alone become PATH again.
absl::Status ExpandKept(const std::string& path) {
  const std::string kept = path + ".zst";
  if (fs::exists(path) || !fs::exists(kept)) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(kept));
  return WriteFile(path, text);
}

}  // namespace

absl::StatusOr<std::vector<Record>> ReadSamples(const std::string& path) {
  GIST_ASSIGN_OR_RETURN(std::vector<Record> records, ReadRecords(path));
  for (Record& record : records) {
    if (record.language.empty()) record.language = "en";
    if (record.family.empty()) record.family = "passkey";
    if (record.depth == 0) record.depth = record.needle_position;
    if (record.needle.empty() && record.depth == 0) record.depth = -1;
  }
  return records;
}

absl::StatusOr<ResultsFile> ResultsFile::Open(const std::string& folder,
                                              const RunInfo& run) {
  std::error_code error;
  fs::create_directories(folder, error);
  GIST_RETURN_IF_ERROR(CheckSameRun(folder + "/run.json", run));
  GIST_RETURN_IF_ERROR(
      WriteFile(folder + "/run.json", ToJson(run).dump(2) + "\n"));
  const std::string path = folder + "/results.jsonl";
  ResultsFile results;
  std::string text;
  GIST_RETURN_IF_ERROR(ExpandKept(path));
  if (fs::exists(path)) {
    GIST_ASSIGN_OR_RETURN(text, ReadTextFile(path));
    text.resize(text.rfind('\n') + 1);  // none at all: npos + 1 is 0
    fs::resize_file(path, text.size(), error);
  }
  GIST_RETURN_IF_ERROR(EachLine(path, text, [&](const json& line) {
    results.answers_.push_back(AnsweredFrom(line));
  }));
  results.out_.open(path, std::ios::app | std::ios::binary);
  if (results.out_) return results;
  return absl::UnavailableError(fmt::format("{}: cannot be written", path));
}

absl::Status ResultsFile::Append(const Answered& answered) {
  // An answer may hold half a character: it is kept as U+FFFD.
  out_ << ToJson(answered).dump(-1, ' ', false, json::error_handler_t::replace)
       << '\n'
       << std::flush;
  if (!out_) return absl::UnavailableError("results.jsonl: cannot be written");
  answers_.push_back(answered);
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text << std::flush;
  if (out) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: cannot be written", path));
}

}  // namespace gist::bench
