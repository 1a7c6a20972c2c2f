#include "client/eval/command.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "client/eval/report.h"
#include "client/eval/results.h"
#include "client/eval/summary.h"
#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/clock.h"
#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "core/data/zstd_text.h"

namespace gist::client {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kNoteEvery(1);  // where no bar can be drawn

Json RetrievalJson(const Retrieval& retrieval) {
  const auto number = [](int n) {
    return n == 0 ? Json("server's default") : Json(n);
  };
  return {{"passages", number(retrieval.top_k)},
          {"chunk_tokens", number(retrieval.chunk_tokens)},
          {"overlap_tokens", retrieval.overlap_tokens
                                 ? Json(*retrieval.overlap_tokens)
                                 : Json("server's default")},
          {"ef", number(retrieval.ef)},
          {"ranking", RankingName(retrieval.ranking)}};
}

// What a run that goes on must have in common with the one that began.
Json SettingsOf(const EvalArguments& arguments, const RunOptions& run,
                const SampleSet& set, const ServerInfo& info) {
  Json datasets = Json::array(), modes = Json::array();
  for (const DatasetFile& file : set.files) {
    datasets.push_back({{"name", fs::path(file.path).filename().string()},
                        {"sha256", file.sha256},
                        {"format", file.format},
                        {"samples", file.samples}});
  }
  Json answer_adapters = Json::array();
  for (const Mode mode : run.modes) modes.push_back(ModeName(mode));
  for (const AnswerAdapter adapter : run.answer_adapters) {
    answer_adapters.push_back(AnswerAdapterName(adapter));
  }
  return {{"datasets", datasets},
          {"limit", arguments.limit},
          {"modes", modes},
          {"gists", run.gists},
          {"answer_adapters", answer_adapters},
          {"asked_by",
           run.concurrency == 1 ? "Compare, one mode at a time" : "Ask"},
          {"concurrency", run.concurrency},
          {"max_tokens",
           run.max_tokens > 0
               ? Json(run.max_tokens)
               : Json(fmt::format("LongBench's own, else {}", kAnswerTokens))},
          {"retrieval", RetrievalJson(run.retrieval)},
          {"seed", run.seed},
          {"model_fingerprint", info.model_fingerprint()},
          {"adapter_fingerprint", info.adapter_fingerprint()},
          {"answer_adapter_fingerprint", info.answer_adapter_fingerprint()},
          {"device", info.device()},
          {"server_version", info.version()}};
}

Json DescribeServer(const ServerInfo& info, const std::string& target) {
  return {{"address", target},
          {"version", info.version()},
          {"device", info.device()},
          {"model", info.model_name()},
          {"model_fingerprint", info.model_fingerprint()},
          {"adapter", info.adapter_name()},
          {"adapter_fingerprint", info.adapter_fingerprint()},
          {"max_context_tokens", info.max_context_tokens()},
          {"kv_bytes_per_token", info.kv_bytes_per_token()},
          {"weight_bytes", info.weight_bytes()},
          {"segment_tokens", info.segment_tokens()}};
}

// An error of this machine's files.
template <typename Value>
absl::StatusOr<Value> OrLocal(absl::StatusOr<Value> value) {
  if (!value.ok()) return Local(value.status());
  return value;
}

// Results that were kept without their journal get one again. A file that
// holds no results stays as it is.
absl::Status RestoreJournal(const std::string& out, const std::string& journal,
                            bool restart) {
  if (restart || !fs::exists(out) || fs::exists(journal)) {
    return absl::OkStatus();
  }
  const auto results = ReadResults(out);
  if (results.ok()) {
    return WriteJournal(journal, results->settings, results->started_unix_ms,
                        results->trials);
  }
  return Local(absl::AlreadyExistsError(fmt::format(
      "{} exists without {}, and the run cannot continue from it: {}; give "
      "another --out, or --restart to replace it",
      out, journal, Message(results.status()))));
}

absl::Status WriteWhole(const std::string& path, const std::string& text) {
  std::string bytes = text;
  if (path.ends_with(".zst")) {
    GIST_ASSIGN_OR_RETURN(bytes, OrLocal(CompressZstd(text)));
  }
  GIST_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::Create(path, /*overwrite=*/true));
  GIST_RETURN_IF_ERROR(file.Write(bytes));
  return file.Commit();
}

// A bar on a terminal, else a line now and then.
class Watcher {
 public:
  Watcher(int64_t done, int64_t total)
      : bar_("asking", Unit::kAnswers, 0),
        begin_(Clock::now()),
        next_note_(begin_ + kNoteEvery),
        done_(done),
        before_(done),
        total_(total) {
    bar_.Update(done_, total_);
  }

  void Count() {
    bar_.Update(++done_, total_);
    const auto now = Clock::now();
    if (CanShowProgress() || now < next_note_) return;
    next_note_ = now + kNoteEvery;
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    PrintNote(ProgressLine({"asking", Unit::kAnswers, done_, total_,
                            double(done_ - before_) / seconds},
                           /*columns=*/200));
  }

 private:
  ProgressBar bar_;
  const Clock::time_point begin_;
  Clock::time_point next_note_;
  int64_t done_;
  const int64_t before_, total_;
};

int64_t CountSteps(const std::vector<DocumentSteps>& documents) {
  int64_t steps = 0;
  for (const DocumentSteps& document : documents) {
    steps += int64_t(document.size());
  }
  return steps;
}

// In the samples' order, then as the modes were asked for.
void Sort(const std::vector<Sample>& samples, const RunOptions& run,
          std::vector<Trial>* trials) {
  std::map<std::string, size_t> places;
  for (const Sample& sample : samples) {
    places.emplace(sample.id, places.size());
  }
  const auto key = [&](const Trial& trial) {
    const auto mode = std::find(run.modes.begin(), run.modes.end(), trial.mode);
    const auto place = places.find(trial.sample);
    return std::tuple(place == places.end() ? places.size() : place->second,
                      mode - run.modes.begin(), trial.gists,
                      trial.answer_adapter);
  };
  std::stable_sort(
      trials->begin(), trials->end(),
      [&](const Trial& a, const Trial& b) { return key(a) < key(b); });
}

std::string MeanPercent(const Mean& mean) {
  return fmt::format("{:.1f} % ({:.0f}-{:.0f})", 100 * mean.value,
                     100 * mean.interval.low, 100 * mean.interval.high);
}

std::string PartPercent(const std::optional<Part>& part) {
  return part ? MeanPercent(part->accuracy) : "-";
}

// `apart`: what the text answers, and what it does not.
std::string Row(const Group& group, bool apart) {
  std::string row = fmt::format(
      "{:<26}{:>7}{:>8}{:>18}", Title(group), FormatCount(group.asked),
      FormatCount(group.errors),
      apart ? PartPercent(group.present) : MeanPercent(group.accuracy));
  if (apart) row += fmt::format("{:>18}", PartPercent(group.absent));
  if (!group.cost) return row + "\n";
  const Cost& cost = *group.cost;
  return row + fmt::format("{:>9}{:>11}{:>13}{:>10}\n",
                           FormatRatio(cost.ratio.median),
                           FormatBytes(int64_t(cost.kv_bytes.median)),
                           FormatSeconds(cost.first_token_seconds.median),
                           FormatSeconds(cost.total_seconds.median));
}

std::string Table(const EvalSummary& summary) {
  const bool apart = std::ranges::any_of(
      summary.groups, [](const Group& group) { return !!group.absent; });
  std::string table =
      fmt::format("{:<26}{:>7}{:>8}{:>18}{}{:>9}{:>11}{:>13}{:>10}\n", "mode",
                  "asked", "errors", apart ? "present, 95 %" : "accuracy, 95 %",
                  apart ? fmt::format("{:>18}", "absent, 95 %") : "", "ratio",
                  "KV bytes", "first token", "total");
  for (const Group& group : summary.groups) {
    if (!group.language) table += Row(group, apart);
  }
  return table;
}

// Writes them; returns a line about each, and names it in the reply.
absl::StatusOr<std::string> Draw(const Drawings& drawings,
                                 const Results& results,
                                 const EvalSummary& summary, Json* reply) {
  std::string said;
  const auto write = [&](const std::string& path, const std::string& text) {
    said +=
        fmt::format("wrote {}, {}\n", path, FormatBytes(int64_t(text.size())));
    return WriteWhole(path, text);
  };
  if (!drawings.html.empty()) {
    const std::string report = DrawReport(results, summary);
    GIST_RETURN_IF_ERROR(write(drawings.html, report));
    (*reply)["file_bytes"] = report.size();
  }
  if (!drawings.svg.empty())
    GIST_RETURN_IF_ERROR(write(drawings.svg, DrawPicture(summary)));
  (*reply)["report"] = drawings.html;
  (*reply)["picture"] = drawings.svg;
  return said;
}

absl::Status WriteResults(const EvalArguments& arguments,
                          const Results& results, Session& session) {
  const EvalSummary summary = Summarize(results.trials, results.seed);
  GIST_RETURN_IF_ERROR(WriteWhole(arguments.out, Print(results, summary)));
  session.reply = {{"results", arguments.out},
                   {"complete", results.complete()},
                   {"records", results.trials.size()},
                   {"planned", results.planned},
                   {"summary", ToJson(summary)}};
  GIST_RETURN_IF_ERROR(
      Draw(arguments.drawings, results, summary, &session.reply).status());
  if (session.json) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(WriteStdout(Table(summary)));
  std::string wrote = "wrote " + arguments.out;
  for (const std::string& path :
       {arguments.drawings.html, arguments.drawings.svg})
    if (!path.empty()) wrote += " and " + path;
  PrintNote(wrote);
  return absl::OkStatus();
}

// What is not in the journal. `results`: gets all that was asked, also where it
// ends with an error.
absl::Status AskAll(const SampleSet& set, const RunOptions& run,
                    std::vector<const GistClient*> servers,
                    std::stop_token stop, Journal* journal, Results* results) {
  std::set<std::string> done;
  for (const Trial& trial : journal->trials()) {
    done.insert(TrialKey(trial.sample, trial));
  }
  const auto documents = PlanSteps(set.samples, run, done);
  results->planned = int64_t(done.size()) + CountSteps(documents);
  const Scorer scorer(set.samples);
  Watcher watcher(int64_t(done.size()), results->planned);
  const absl::Status asked =
      Runner(std::move(servers), scorer, run, journal)
          .Run(documents, stop, [&] { watcher.Count(); });
  results->started_unix_ms = journal->started_unix_ms();
  results->written_unix_ms = UnixMillis();
  results->trials = journal->trials();
  Sort(set.samples, run, &results->trials);
  return asked;
}

// Clients of all replicas. `settings`: what the first server says.
absl::StatusOr<std::vector<std::unique_ptr<GistClient>>> Replicas(
    const EvalArguments& arguments, const RunOptions& run, const SampleSet& set,
    const Json& settings, const ClientOptions& options) {
  std::vector<std::unique_ptr<GistClient>> replicas;
  for (const std::string& target : arguments.replicas) {
    ClientOptions its = options;
    its.target = target;
    replicas.push_back(std::make_unique<GistClient>(its));
    GIST_ASSIGN_OR_RETURN(const ServerInfo info,
                          replicas.back()->GetServerInfo());
    const auto difference =
        FirstDifference(settings, SettingsOf(arguments, run, set, info));
    if (!difference) continue;
    return Local(absl::FailedPreconditionError(
        fmt::format("{} is no replica of {}: {}; one run's answers come from "
                    "servers that are the same",
                    target, options.target, *difference)));
  }
  return replicas;
}

}  // namespace

absl::Status RunEval(const EvalArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(
      const SampleSet set,
      OrLocal(ReadSamples(arguments.datasets, arguments.limit)));
  GIST_ASSIGN_OR_RETURN(const ServerInfo info, session.client.GetServerInfo());
  RunOptions run = arguments.run;
  if (run.gists.empty()) run.gists = {info.gist_tokens()};
  const std::string path = arguments.out + ".journal";
  GIST_RETURN_IF_ERROR(RestoreJournal(arguments.out, path, arguments.restart));
  Results results{.version = GIST_VERSION,
                  .command = arguments.command,
                  .settings = SettingsOf(arguments, run, set, info),
                  .server = DescribeServer(info, session.options.target),
                  .machine = DescribeMachine(),
                  .seed = run.seed};
  GIST_ASSIGN_OR_RETURN(
      const auto replicas,
      Replicas(arguments, run, set, results.settings, session.options));
  std::vector<const GistClient*> servers = {&session.client};
  for (const auto& replica : replicas) servers.push_back(replica.get());
  if (servers.size() > 1) results.settings["servers"] = servers.size();
  GIST_ASSIGN_OR_RETURN(
      Journal journal, OrLocal(Journal::Open(path, results.settings,
                                             UnixMillis(), arguments.restart)));
  const absl::Status asked =
      AskAll(set, run, std::move(servers), session.stop, &journal, &results);
  const absl::Status written = WriteResults(arguments, results, session);
  if (asked.ok()) return written;
  if (!written.ok()) PrintNote(Message(written));
  PrintNote(fmt::format(
      "{} of {} answers are there; the same command goes on from them",
      FormatCount(int64_t(results.trials.size())),
      FormatCount(results.planned)));
  return asked;
}

absl::Status RunReport(const std::string& path, const Drawings& drawings,
                       Session& session) {
  GIST_ASSIGN_OR_RETURN(const Results results, OrLocal(ReadResults(path)));
  session.reply = Json::object();
  GIST_ASSIGN_OR_RETURN(
      const std::string said,
      Draw(drawings, results, Summarize(results.trials, results.seed),
           &session.reply));
  return session.json ? absl::OkStatus() : WriteStdout(said);
}

}  // namespace gist::client
