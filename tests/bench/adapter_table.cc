// The adapter's table: how often a running server's gists answer rightly, and
// what controls and the full text do. See adapter_table.sh.
//
//   adapter_table --server HOST:PORT --out DIR SET=SAMPLES.jsonl...
//
// Each answer goes to DIR/results.jsonl at once; started again, it goes on.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "CLI/CLI.hpp"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/clock.h"
#include "core/base/status.h"
#include "tests/bench/table_files.h"
#include "tests/bench/table_plan.h"
#include "tests/bench/table_report.h"

namespace gist::bench {
namespace {

// Of a frozen prefill on two cores; what the first estimate assumes.
constexpr double kTokensPerSecond = 700;
constexpr size_t kReportEvery = 100;  // answers

struct Arguments {
  std::string server, out;
  std::vector<std::string> data;  // SET=FILE
  std::vector<int> lengths = {1024, 2048, 4096, 8192};
  std::vector<int> gists = {10, 25, 50};
  std::vector<std::string> sources = {"gists", "full", "none",  "other",
                                      "first", "last", "random"};
  int count = 0, controls = 0;
  std::vector<std::string> commands;
};

std::string Machine() {
  std::string model = "CPU of no name";
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  return fmt::format("{} cores, {}", std::thread::hardware_concurrency(),
                     model);
}

RunInfo MakeRunInfo(const client::ServerInfo& info,
                    const Arguments& arguments) {
  return {.machine =
              Machine() + (info.device() == "cpu" ? "" : ", " + info.device()),
          .model_name = info.model_name(),
          .model_fingerprint = info.model_fingerprint(),
          .adapter_name = info.adapter_name(),
          .adapter_fingerprint = info.adapter_fingerprint(),
          .commands = arguments.commands};
}

class Table {
 public:
  explicit Table(Arguments arguments)
      : arguments_(std::move(arguments)),
        asker_({.target = arguments_.server}) {
    std::ranges::sort(arguments_.lengths);
  }

  absl::Status Run() {
    GIST_ASSIGN_OR_RETURN(const auto info, asker_.client().GetServerInfo());
    run_ = MakeRunInfo(info, arguments_);
    GIST_ASSIGN_OR_RETURN(ResultsFile results,
                          ResultsFile::Open(arguments_.out, run_));
    GIST_RETURN_IF_ERROR(TakeSamples());
    GIST_RETURN_IF_ERROR(
        AskAll(Steps(results, info.max_context_tokens()), &results));
    return Report(results);
  }

 private:
  absl::Status TakeSamples() {
    for (const std::string& data : arguments_.data) {
      const size_t equals = data.find('=');
      if (equals == data.npos || equals == 0) {
        return absl::InvalidArgumentError(
            fmt::format("{:?}: want SET=FILE, as in in-family=a.jsonl", data));
      }
      GIST_ASSIGN_OR_RETURN(auto records, ReadSamples(data.substr(equals + 1)));
      for (Record& record : records) {
        GIST_RETURN_IF_ERROR(
            AddSample(data.substr(0, equals), std::move(record)));
      }
    }
    samples_ = KeepCount(std::move(samples_), arguments_.count);
    return absl::OkStatus();
  }

  // Samples longer than all lengths are left out.
  absl::Status AddSample(const std::string& set, Record record) {
    if (record.tokens == 0) {
      GIST_ASSIGN_OR_RETURN(
          const int64_t tokens,
          asker_.CountTokens(record.context, arguments_.gists.front()));
      record.tokens = int(tokens);
    }
    const int length = LengthOf(record.tokens, arguments_.lengths);
    if (length == 0) return absl::OkStatus();
    std::string id = SampleId(record);
    samples_.push_back({std::move(record), std::move(id), set, length});
    return absl::OkStatus();
  }

  std::vector<Step> Steps(const ResultsFile& results,
                          int max_context_tokens) const {
    PlanOptions options{.gists = arguments_.gists,
                        .sources = {},
                        .max_context_tokens = max_context_tokens,
                        .controls = arguments_.controls};
    for (const SourceName& name : kSources) {
      if (std::ranges::find(arguments_.sources, name.flag) !=
          arguments_.sources.end())
        options.sources.push_back(name.source);
    }
    std::set<std::string> done;
    for (const Answered& a : results.answers()) {
      done.insert(StepKey(a.sample, a.source, a.gists));
    }
    return MakeSteps(samples_, options, done);
  }

  absl::Status AskAll(const std::vector<Step>& steps, ResultsFile* results) {
    double total = 0, done = 0;
    for (const Step& step : steps) total += step.work;
    fmt::print(stderr,
               "{} samples, {} answers there, {} to ask: about {} at {:.0f} "
               "tokens/s\n",
               samples_.size(), results->answers().size(), steps.size(),
               client::FormatSeconds(total / kTokensPerSecond),
               kTokensPerSecond);
    const auto start = Clock::now();
    const std::string *document = nullptr, *before = nullptr;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Record& record = samples_[steps[i].sample].record;
      if (document != nullptr && record.context != *document) {
        // The one before it was its "another document".
        if (before != nullptr) GIST_RETURN_IF_ERROR(asker_.Forget(*before));
        before = document;
      }
      document = &record.context;
      GIST_RETURN_IF_ERROR(AskOne(steps[i], results));
      done += steps[i].work;
      const double seconds = SecondsSince(start);
      ShowProgress(i + 1, steps.size(), seconds * (total - done) / done,
                   *results);
      if ((i + 1) % kReportEvery == 0) GIST_RETURN_IF_ERROR(Report(*results));
    }
    return absl::OkStatus();
  }

  absl::Status AskOne(const Step& step, ResultsFile* results) {
    const Sample& sample = samples_[step.sample];
    auto reply = asker_.Answer(step.ask);
    if (!reply.ok()) return Within("sample " + sample.id, reply.status());
    const Record& record = sample.record;
    return results->Append({.sample = sample.id,
                            .set = sample.set,
                            .family = record.family,
                            .frame = record.frame,
                            .language = record.language,
                            .length = sample.length,
                            .source = step.ask.source,
                            .gists = step.ask.gists,
                            .depth = record.depth,
                            .seed = record.seed,
                            .key = record.answer,
                            .answer = reply->text,
                            .score = ScoreAnswer(record.answer, reply->text),
                            .document_tokens = reply->document_tokens,
                            .ratio = reply->ratio,
                            .first_token_seconds = reply->first_token_seconds});
  }

  // On a terminal a line that changes; else a line now and then.
  void ShowProgress(size_t asked, size_t total, double seconds_left,
                    const ResultsFile& results) {
    const bool terminal = client::IsTerminal(stderr);
    if (!terminal && asked % 50 != 0 && asked != total) return;
    int from_gists = 0, exact = 0;
    for (const Answered& a : results.answers()) {
      from_gists += a.source == Source::kGists;
      exact += a.source == Source::kGists && a.score.exact;
    }
    fmt::print(stderr, "{}{} of {} asked, {} of {} exact from gists, {} left{}",
               terminal ? "\r" : "", asked, total, exact, from_gists,
               client::FormatSeconds(seconds_left),
               terminal && asked < total ? "\033[K" : "\n");
  }

  absl::Status Report(const ResultsFile& results) const {
    const auto cells = GroupByCell(results.answers());
    GIST_RETURN_IF_ERROR(
        WriteFile(arguments_.out + "/table.md", DrawMarkdown(run_, cells)));
    return WriteFile(arguments_.out + "/heatmap.svg", DrawHeatmap(cells));
  }

  Arguments arguments_;
  Asker asker_;
  RunInfo run_;
  std::vector<Sample> samples_;
};

// A list takes the word after it, commas in it, and leaves the rest alone.
template <typename T>
CLI::Option* AddList(CLI::App& app, const char* name, std::vector<T>* values,
                     const char* about) {
  return app.add_option(name, *values, about)
      ->delimiter(',')
      ->allow_extra_args(false);
}

void AddOptions(CLI::App& app, Arguments* arguments) {
  app.add_option("--server", arguments->server, "HOST:PORT of gistd")
      ->envname("GIST_SERVER")
      ->required();
  app.add_option("--out", arguments->out,
                 "Folder for results, table and picture")
      ->required();
  AddList(
      app, "--lengths", &arguments->lengths,
      "Classes of document length, in tokens; a longer document is left out");
  AddList(app, "--gists", &arguments->gists, "Numbers of gists");
  std::vector<std::string> flags;
  for (const SourceName& name : kSources) flags.emplace_back(name.flag);
  AddList(app, "--sources", &arguments->sources, "What to answer from")
      ->check(CLI::IsMember(flags));
  app.add_option(
      "--count", arguments->count,
      "At most so many samples of each set, family, language and length");
  app.add_option("--controls", arguments->controls,
                 "Of those, how many controls and full context are asked of");
  app.add_option(
         "--command", arguments->commands,
         "Told in the table: how data and table were made; may be repeated")
      ->allow_extra_args(false);
  app.add_option("SET=FILE", arguments->data, "Samples, JSON Lines")
      ->required();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Accuracy of a running server's adapter", "adapter_table");
  AddOptions(app, &arguments);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Table(std::move(arguments)).Run();
  if (status.ok()) return 0;
  fmt::print(stderr, "\nadapter_table: {}\n", Message(status));
  return 1;
}

}  // namespace
}  // namespace gist::bench

int main(int argc, char** argv) { return gist::bench::Main(argc, argv); }
