#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/retrieval/passages.h"
#include "server/scheduling/ask_job.h"
#include "server/serving/ask_plan.h"
#include "server/serving/missing.h"
#include "server/serving/pipeline.h"
#include "server/serving/verdict.h"
#include "server/support/errors.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

absl::Status CheckSampling(const AskInput& input) {
  const Sampling& sampling = input.sampling;
  // Written so that NaN fails too.
  if (!(sampling.temperature >= 0 && sampling.temperature <= 2)) {
    return InvalidField("temperature",
                        fmt::format("temperature is {}, want 0 (greedy) to 2",
                                    sampling.temperature));
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    return InvalidField(
        "top_p", fmt::format("top_p is {}, want more than 0 and at most 1",
                             sampling.top_p));
  }
  if (sampling.top_k < 0) {
    return InvalidField("top_k",
                        fmt::format("top_k is {}, want 0 (all tokens) or more",
                                    sampling.top_k));
  }
  if (input.gist_tokens < 0) {
    return InvalidField(
        "gist_tokens",
        fmt::format("gist_tokens is {}, want 1 or more, or 0 for any number",
                    input.gist_tokens));
  }
  if (input.max_tokens < 0) {
    return InvalidField(
        "max_tokens",
        fmt::format("max_tokens is {}, want 1 or more, or 0 for {}",
                    input.max_tokens, kDefaultAnswerTokens));
  }
  return absl::OkStatus();
}

bool UsesGists(AskMode mode) {
  return mode == AskMode::kGist || mode == AskMode::kHybrid;
}

}  // namespace

absl::StatusOr<AskResult> Pipeline::Ask(const AskInput& input,
                                        const Caller& caller,
                                        const TextSink& on_text) {
  const Clock::time_point arrival = Clock::now();
  GIST_RETURN_IF_ERROR(CheckAsk(input));
  GIST_ASSIGN_OR_RETURN(AskPlan material, Load(input, caller));
  AskResult& result = material.result;
  material.work.arrival = arrival;
  material.work.tenant = caller.principal.tenant;
  material.work.sampling = input.sampling;
  if (input.bypass_cache) material.work.context_tokens = 0;
  GIST_ASSIGN_OR_RETURN(material.work.max_tokens, AnswerRoom(input, result));

  // The job asks `watched`, on the scheduler's thread, until it has ended,
  // which is before this function returns.
  std::atomic<bool> reader_left = false;
  Caller watched = caller;
  watched.has_left = [&] {
    return reader_left || (caller.has_left && caller.has_left());
  };
  const auto outcome = std::make_shared<AskOutcome>();
  GIST_RETURN_IF_ERROR(scheduler_.Submit(
      std::make_unique<AskJob>(std::move(material.work), outcome, cache_),
      watched));
  std::string answer;
  for (;;) {
    GIST_ASSIGN_OR_RETURN(const std::optional<std::string> piece,
                          outcome->text.Next());
    if (!piece) break;
    answer += *piece;
    if (!reader_left && !on_text(*piece)) reader_left = true;
  }
  result.usage.answer_tokens = outcome->answer_tokens;
  result.usage.cached_tokens = outcome->cached_tokens;
  result.timings.queue_seconds = outcome->queue_seconds;
  result.timings.prefill_seconds = outcome->prefill_seconds;
  result.timings.first_token_seconds = outcome->first_token_seconds;
  result.timings.decode_seconds = outcome->decode_seconds;
  result.itl_seconds = std::move(outcome->itl_seconds);
  result.uncontended = result.uncontended && outcome->uncontended;
  result.stopped = outcome->stopped;
  result.verdict.refused = IsAbsentAnswer(answer);
  result.timings.total_seconds = SecondsSince(arrival);
  return result;
}

absl::Status Pipeline::CheckContextIds(const AskInput& input) const {
  const int contexts = int(input.context_ids.size());
  if (input.all_documents && contexts == 0 && input.mode == AskMode::kRag) {
    return absl::OkStatus();
  }
  if (contexts < 1 || contexts > limits_.max_contexts_per_ask) {
    return InvalidField("context_ids",
                        fmt::format("{} context ids, want 1 to {}; MODE_RAG "
                                    "with none asks all documents",
                                    contexts, limits_.max_contexts_per_ask));
  }
  return absl::OkStatus();
}

absl::Status Pipeline::CheckAsk(const AskInput& input) const {
  GIST_RETURN_IF_ERROR(CheckContextIds(input));
  if (input.question.empty()) {
    return InvalidField("question", "the question is empty");
  }
  const size_t invalid = FirstInvalidUtf8(input.question);
  if (invalid < input.question.size()) {
    return InvalidField(
        "question",
        fmt::format("the question is not UTF-8: byte 0x{:02x} at offset {}",
                    uint8_t(input.question[invalid]), invalid));
  }
  if (input.answer_adapter && engine_.answer_adapter().fingerprint.empty()) {
    return Error(Reason::kNoAnswerAdapter,
                 "this server has no answer adapter; start gistd with "
                 "--answer-adapter, or ask with ANSWER_ADAPTER_OFF");
  }
  return CheckSampling(input);
}

absl::StatusOr<Pipeline::AskPlan> Pipeline::Load(const AskInput& input,
                                                 const Caller& caller) {
  const ModelInfo& model = engine_.model();
  AskPlan material;
  material.work.begun = cache_.Now();
  AskResult& result = material.result;
  result.mode_used = input.mode;
  if (UsesGists(input.mode)) result.rung_used = Rung::kGist;
  result.model_fingerprint = model.fingerprint;
  result.usage.prefix_tokens = model.prefix_tokens;
  GIST_ASSIGN_OR_RETURN(const std::vector<int32_t> question,
                        engine_.TokenizeQuestion(input.question));
  result.usage.question_tokens = int(question.size());
  if (input.answer_adapter) {
    result.answer_adapter_fingerprint = engine_.answer_adapter().fingerprint;
    material.work.adapter_tokens = result.usage.question_tokens;
  }
  for (const std::string& id : input.context_ids) {
    GIST_ASSIGN_OR_RETURN(ContextRecord record,
                          FindRecord(id, caller.principal.tenant));
    GIST_RETURN_IF_ERROR(CheckModelOf(record, input.mode));
    result.usage.document_tokens += record.document_tokens;
    const Representation* const gists =
        IsOfThisModel(record) ? GistsToLoad(record, input) : nullptr;
    result.adapter_fingerprints.push_back(
        gists == nullptr ? "" : gists->adapter_fingerprint);
    store_.NoteUse(id);
    material.records.push_back(std::move(record));
  }
  result.usage.documents = int(material.records.size());
  const AskMode mode = input.mode;
  if (UsesGists(mode)) {
    GIST_RETURN_IF_ERROR(LoadGists(input, material));
  }
  if (mode == AskMode::kFull) {
    GIST_ASSIGN_OR_RETURN(const bool is_stored, LoadFull(material));
    if (!is_stored) GIST_RETURN_IF_ERROR(LoadText(input, material));
  }
  if (mode == AskMode::kRag || mode == AskMode::kHybrid) {
    GIST_RETURN_IF_ERROR(LoadPassages(input, caller, material));
  }
  auto& tokens = material.work.tokens;
  tokens.insert(tokens.end(), question.begin(), question.end());
  const int64_t stands_for = result.usage.document_slots();
  result.usage.kv_bytes = model.KvBytes(stands_for);
  result.usage.full_kv_bytes = model.KvBytes(result.usage.document_tokens);
  // A document of white space alone has no passage.
  result.usage.compression_ratio = double(result.usage.document_tokens) /
                                   double(std::max<int64_t>(1, stands_for));
  return material;
}

absl::Status Pipeline::CheckModelOf(const ContextRecord& record,
                                    AskMode mode) const {
  if (IsOfThisModel(record)) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const bool has_text,
                        store_.HasText(record.document_id));
  if (has_text && !UsesGists(mode)) return absl::OkStatus();
  return OfAnotherModel(record, engine_.model(), has_text);
}

const Representation* Pipeline::GistsToLoad(const ContextRecord& record,
                                            const AskInput& input) const {
  return record.Newest(Rung::kGist, input.gist_tokens,
                       engine_.adapter().fingerprint);
}

absl::Status Pipeline::LoadGists(const AskInput& input,
                                 AskPlan& material) const {
  const Clock::time_point start = Clock::now();
  for (const ContextRecord& record : material.records) {
    const Representation* const form = GistsToLoad(record, input);
    if (form == nullptr) {
      return engine_.adapter().is_loaded() ? NoGists(record, input.gist_tokens)
                                           : NoGistAdapter(engine_.model());
    }
    GIST_RETURN_IF_ERROR(Within(record.context_id, CheckMethodVersion(*form)));
    auto kv = store_.GetKv(record, *form);
    if (!kv.ok()) return kv.status();  // names the context and what to do
    material.result.usage.loaded_slots += form->gist_tokens;
    material.work.kv.push_back(*std::move(kv));
  }
  material.result.timings.load_seconds = SecondsSince(start);
  return absl::OkStatus();
}

// Several documents are read as one text, in which each sees those before it:
// no stored representation has that.
absl::StatusOr<bool> Pipeline::LoadFull(AskPlan& material) const {
  if (material.records.size() != 1) return false;
  const ContextRecord& record = material.records.front();
  const Representation* const form = record.Newest(Rung::kFull);
  if (form == nullptr || !IsOfThisModel(record)) return false;
  GIST_RETURN_IF_ERROR(Within(record.context_id, CheckMethodVersion(*form)));
  const Clock::time_point start = Clock::now();
  auto kv = store_.GetKv(record, *form);
  if (!kv.ok()) return kv.status();  // names the context and what to do
  AskResult& result = material.result;
  result.usage.loaded_slots = form->kv_slots;
  result.rung_used = Rung::kFull;
  result.adapter_fingerprints = {form->adapter_fingerprint};
  material.work.kv.push_back(*std::move(kv));
  result.timings.load_seconds = SecondsSince(start);
  return true;
}

absl::Status Pipeline::LoadPassages(const AskInput& input, const Caller& caller,
                                    AskPlan& material) {
  if (!retriever_) {
    return Error(
        Reason::kNoEmbedder,
        "this server has no embedder, so no passage can be found; start gistd "
        "with --embedder, or ask with MODE_GIST");
  }
  GIST_ASSIGN_OR_RETURN(
      Retrieved retrieved,
      input.all_documents
          ? retriever_->FindAll(input.question, input.retrieval, caller)
          : retriever_->Find(material.records, input.question, input.retrieval,
                             caller));
  AskResult& result = material.result;
  if (input.all_documents) {
    result.usage.documents = retrieved.documents;
    result.usage.document_tokens = retrieved.document_tokens;
    for (const RetrievedChunk& chunk : retrieved.chunks) {
      store_.NoteUse(chunk.context_id);
    }
  }
  result.timings.index_seconds = retrieved.index_seconds;
  result.timings.search_seconds = retrieved.search_seconds;
  result.indexed_documents = retrieved.indexed_documents;
  result.uncontended = retrieved.uncontended;
  result.embedder_fingerprint = retriever_->embedder().fingerprint;
  std::vector<Passage> passages;
  for (const RetrievedChunk& chunk : retrieved.chunks) {
    passages.push_back({chunk.document, size_t(chunk.begin), chunk.text});
  }
  GIST_ASSIGN_OR_RETURN(material.work.tokens,
                        engine_.Tokenize(JoinPassages(std::move(passages))));
  result.usage.prefilled_tokens = int(material.work.tokens.size());
  result.chunks = std::move(retrieved.chunks);
  return absl::OkStatus();
}

// The most tokens that the answer may have.
absl::StatusOr<int> Pipeline::AnswerRoom(const AskInput& input,
                                         const AskResult& result) const {
  const int64_t max_tokens = engine_.model().max_context_tokens;
  const int64_t documents = result.usage.document_slots();
  const int64_t room = max_tokens - result.usage.prefix_tokens - documents -
                       result.usage.question_tokens;
  const int64_t wanted = std::max(1, input.max_tokens);
  if (wanted > room) {
    return Error(
        Reason::kContextWindowExceeded,
        fmt::format(
            "a prefix of {} tokens, the documents' {}, the question's {} and "
            "{} "
            "for the answer exceed the model's context of {}; shorten the "
            "question, ask over less, or lower max_tokens",
            result.usage.prefix_tokens, documents, result.usage.question_tokens,
            wanted, max_tokens));
  }
  if (input.max_tokens > 0) return input.max_tokens;
  return int(std::min<int64_t>(kDefaultAnswerTokens, room));
}

}  // namespace gist
