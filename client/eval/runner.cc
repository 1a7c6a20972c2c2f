#include "client/eval/runner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/pause.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

// A busy server is asked again after so long, then twice as long, and so on.
constexpr std::chrono::milliseconds kFirstPatience(250);
constexpr int kTries = 8;

// Is it about the server or the caller, not about one question?
bool EndsRun(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

Costs CostsOf(const AskResult& result) {
  const v1::Usage& usage = result.usage();
  const v1::Timings& timings = result.timings();
  return {
      .document_tokens = usage.document_tokens(),
      .kv_tokens = usage.loaded_slots() + usage.prefilled_tokens(),
      .cached_tokens = usage.cached_tokens(),
      .question_tokens = usage.question_tokens(),
      .answer_tokens = usage.answer_tokens(),
      .ratio = usage.compression_ratio(),
      .kv_bytes = usage.kv_bytes(),
      .full_kv_bytes = usage.full_kv_bytes(),
      .queue_seconds = timings.queue_seconds(),
      .load_seconds = timings.load_seconds(),
      .index_seconds = timings.index_seconds(),
      .search_seconds = timings.search_seconds(),
      .prefill_seconds = timings.prefill_seconds(),
      .first_token_seconds = timings.first_token_seconds(),
      .decode_seconds = timings.decode_seconds(),
      .total_seconds = timings.total_seconds(),
      .finish_reason = result.finish_reason() == v1::FINISH_REASON_LENGTH
                           ? "length"
                           : "stop",
  };
}

Trial TrialOf(const Step& step) {
  const Sample& sample = *step.sample;
  Trial trial;
  trial.sample = sample.id;
  trial.dataset = sample.dataset;
  trial.document = sample.document;
  trial.language = sample.language;
  trial.family = sample.family;
  trial.frame = sample.frame;
  trial.choice = sample.choice;
  if (!sample.options.empty()) trial.options = int(sample.options.size());
  trial.metric = sample.metric;
  trial.question = sample.question;
  trial.wanted = sample.answers;
  trial.tokens = sample.tokens;
  trial.depth = sample.depth;
  trial.seed = sample.seed;
  static_cast<Source&>(trial) = step.source;
  return trial;
}

void TakeContext(const CompressResult& compressed, Trial* trial) {
  const Context& context = compressed.context();
  trial->context_id = context.context_id();
  trial->adapter_fingerprint =
      compressed.representation().adapter_fingerprint();
  trial->compress_seconds = compressed.representation().build_seconds();
  trial->compressed_here = !compressed.cached();
  trial->tokens =
      context.document_tokens();  // the file's may be another model's
}

// The context of one document, and its gists, made when they are first asked
// for. Gists of an old id have a context of their own.
class Contexts {
 public:
  Contexts(const GistClient& client, const std::string& text)
      : client_(client), text_(text) {}

  const absl::StatusOr<CompressResult>& WithGists(int gists) {
    const auto found = made_.find(gists);
    if (found != made_.end()) return found->second;
    return made_.emplace(gists, client_.Compress(text_, {.gist_tokens = gists}))
        .first->second;
  }

  // One that was made with gists will do; else the text alone is added.
  absl::StatusOr<CompressResult> WithText() {
    for (const auto& [gists, made] : made_) {
      if (made.ok()) return made;
    }
    if (!added_) added_ = client_.AddDocument(text_, {});
    GIST_RETURN_IF_ERROR(added_->status());
    CompressResult result;
    *result.mutable_context() = (*added_)->context();
    result.set_cached((*added_)->cached());
    return result;
  }

  // Deletes a context if it and all of its representations were made here. One
  // that is gone already is no error.
  absl::Status Delete() const {
    struct Count {
      int made = 0;
      int all = 0;
      bool is_older = false;  // than what was made here
    };
    std::map<std::string, Count> counts;  // by context id
    for (const auto& [gists, made] : made_) {
      if (!made.ok() || made->cached()) continue;
      const Context& context = made->context();
      const auto [entry, is_first] = counts.try_emplace(context.context_id());
      Count& count = entry->second;
      ++count.made;
      count.all = std::max(count.all, context.representations_size());
      const bool is_older =
          context.created_unix_ms() < made->representation().created_unix_ms();
      count.is_older = (is_first || count.is_older) && is_older;
    }
    if (added_ && added_->ok())
      counts[(*added_)->context().context_id()].is_older = (*added_)->cached();
    for (const auto& [id, count] : counts) {
      if (count.made < count.all || count.is_older) continue;
      const absl::Status status = client_.DeleteContext(id);
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
    return absl::OkStatus();
  }

 private:
  const GistClient& client_;
  const std::string& text_;
  std::map<int, absl::StatusOr<CompressResult>> made_;  // by gists
  std::optional<absl::StatusOr<AddResult>> added_;
};

}  // namespace

std::vector<DocumentSteps> PlanSteps(std::span<const Sample> samples,
                                     const RunOptions& options,
                                     const std::set<std::string>& done) {
  struct Document {
    size_t rank = 0;  // in its data set
    DocumentSteps steps;
  };
  std::vector<Document> documents;
  std::map<std::string_view, size_t> places, counts;
  for (const Sample& sample : samples) {
    const auto [place, fresh] =
        places.try_emplace(sample.document, documents.size());
    if (fresh) documents.push_back({counts[sample.dataset]++, {}});
    DocumentSteps& steps = documents[place->second].steps;
    for (const Mode mode : options.modes) {
      const std::vector<int> numbers =
          UsesGists(mode) ? options.gists : std::vector<int>{0};
      for (const int gists : numbers) {
        for (const AnswerAdapter answer_adapter : options.answer_adapters) {
          const Source source{mode, gists, answer_adapter};
          if (done.contains(TrialKey(sample.id, source))) continue;
          steps.push_back({&sample, source});
        }
      }
    }
  }
  std::ranges::stable_sort(documents, {}, &Document::rank);
  std::vector<DocumentSteps> plan;
  for (Document& document : documents) {
    if (!document.steps.empty()) plan.push_back(std::move(document.steps));
  }
  return plan;
}

absl::Status Runner::Run(const std::vector<DocumentSteps>& documents,
                         std::stop_token stop,
                         const std::function<void()>& on_trial) {
  std::stop_source failed;
  std::mutex mutex;
  absl::Status first;
  std::atomic<size_t> next = 0;
  const auto work = [&](const GistClient& server) {
    for (size_t i = next++; i < documents.size(); i = next++) {
      if (failed.stop_requested()) return;
      absl::Status status =
          stop.stop_requested()
              ? absl::CancelledError("stopped")
              : AskDocument(server, documents[i], stop, on_trial);
      if (status.ok()) continue;
      const std::scoped_lock lock(mutex);
      first.Update(std::move(status));
      failed.request_stop();
    }
  };
  std::vector<std::thread> threads;
  const size_t count = servers_.size() * size_t(options_.concurrency);
  for (size_t i = 0; i < count; ++i) {
    threads.emplace_back(work, std::cref(*servers_[i % servers_.size()]));
  }
  for (std::thread& thread : threads) thread.join();
  return first;
}

absl::Status Runner::AskDocument(const GistClient& server,
                                 const DocumentSteps& steps,
                                 std::stop_token stop,
                                 const std::function<void()>& on_trial) {
  Contexts contexts(server, steps.front().sample->context);
  for (const Step& step : steps) {
    Trial trial = TrialOf(step);
    const absl::StatusOr<CompressResult> made =
        UsesGists(step.source.mode) ? contexts.WithGists(step.source.gists)
                                    : contexts.WithText();
    if (made.ok()) {
      TakeContext(*made, &trial);
      GIST_RETURN_IF_ERROR(Ask(
          server, step, int(made->representation().kv_slots()), stop, &trial));
    } else {
      if (EndsRun(made.status())) return made.status();
      trial.error = made.status();
    }
    GIST_RETURN_IF_ERROR(journal_.Append(std::move(trial)));
    const std::scoped_lock lock(mutex_);
    on_trial();
  }
  return options_.delete_contexts ? contexts.Delete() : absl::OkStatus();
}

absl::Status Runner::Ask(const GistClient& server, const Step& step,
                         int gist_tokens, std::stop_token stop, Trial* trial) {
  const Sample& sample = *step.sample;
  const int wanted =
      options_.max_tokens > 0 ? options_.max_tokens : sample.answer_tokens;
  const Question question = {
      .context_ids = {trial->context_id},
      .text = sample.question,
      .mode = step.source.mode,
      .max_tokens = wanted > 0 ? wanted : kAnswerTokens,
      .seed = options_.seed,
      .retrieval = options_.retrieval,
      .answer_adapter = step.source.answer_adapter,
      .gist_tokens = step.source.gists > 0 ? gist_tokens : 0};
  auto answer = AskOnce(server, question, &trial->uncontended);
  auto patience = kFirstPatience;
  for (int i = 1; i < kTries && absl::IsResourceExhausted(answer.status());
       ++i) {
    if (!Pause(patience, stop)) return absl::CancelledError("stopped");
    patience *= 2;
    answer = AskOnce(server, question, &trial->uncontended);
  }
  if (!answer.ok()) {
    if (EndsRun(answer.status())) return answer.status();
    trial->error = answer.status();
    return absl::OkStatus();
  }
  trial->answer = ValidUtf8(answer->answer());
  trial->costs = CostsOf(answer->result());
  trial->passages = answer->result().chunks_size();
  if (answer->has_peak_memory_bytes()) {
    trial->peak_memory_bytes = answer->peak_memory_bytes();
  }
  scorer_.Score(sample, trial->answer, trial);
  return absl::OkStatus();
}

absl::StatusOr<ModeAnswer> Runner::AskOnce(const GistClient& server,
                                           const Question& question,
                                           std::optional<bool>* uncontended) {
  if (options_.concurrency == 1) {
    GIST_ASSIGN_OR_RETURN(Comparison comparison,
                          server.Compare(question, {question.mode}));
    if (comparison.answers.size() != 1) {
      return absl::InternalError(
          fmt::format("compare: {} answers to one mode came back",
                      comparison.answers.size()));
    }
    ModeAnswer answer = std::move(comparison.answers.front());
    GIST_RETURN_IF_ERROR(StatusOf(answer));
    *uncontended = comparison.summary.uncontended();
    return answer;
  }
  ModeAnswer answer;
  const auto take = [&](std::string_view text) {
    answer.mutable_answer()->append(text);
    return absl::OkStatus();
  };
  GIST_ASSIGN_OR_RETURN(*answer.mutable_result(), server.Ask(question, take));
  return answer;
}

}  // namespace gist::client
