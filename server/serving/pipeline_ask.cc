#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/retrieval/passages.h"
#include "server/scheduling/ask_job.h"
#include "server/serving/pipeline.h"
#include "server/support/errors.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

constexpr int kDefaultAnswerTokens = 256;

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

// What was stored for `record` cannot be used: which, and what to do.
absl::Status Explained(const ContextRecord& record,
                       const absl::Status& status) {
  const char* const next_step =
      absl::IsDataLoss(status) ? "; compress the document again" : "";
  return WithMessage(status, fmt::format("{}: {}{}", record.context_id,
                                         Message(status), next_step));
}

absl::Status NoGists(const ContextRecord& record, int gist_tokens) {
  const std::string wanted =
      gist_tokens > 0 ? fmt::format("{} gists", gist_tokens) : "gists";
  return absl::FailedPreconditionError(
      fmt::format("{} has no representation of {}; compress the document into "
                  "{}, or ask with another mode",
                  record.context_id, wanted, wanted));
}

}  // namespace

struct Pipeline::AskPlan {
  std::vector<ContextRecord> records;
  AskWork work;
  Accounting accounting;  // what is known before the engine runs
};

absl::StatusOr<Accounting> Pipeline::Ask(const AskInput& input,
                                         const Caller& caller,
                                         const TextSink& on_text) {
  const Clock::time_point arrival = Clock::now();
  GIST_RETURN_IF_ERROR(CheckAsk(input));
  GIST_ASSIGN_OR_RETURN(AskPlan material, Load(input, caller));
  Accounting& accounting = material.accounting;
  material.work.arrival = arrival;
  material.work.tenant = caller.principal.tenant;
  material.work.sampling = input.sampling;
  if (input.bypass_cache) material.work.context_tokens = 0;
  GIST_ASSIGN_OR_RETURN(material.work.max_tokens,
                        AnswerRoom(input, accounting));

  // The job asks `reader`, on the scheduler's thread, until it has ended, which
  // is before this function returns.
  std::atomic<bool> reader_left = false;
  Caller reader = caller;
  reader.has_left = [&] {
    return reader_left || (caller.has_left && caller.has_left());
  };
  const auto outcome = std::make_shared<AskOutcome>();
  GIST_RETURN_IF_ERROR(scheduler_.Submit(
      std::make_unique<AskJob>(std::move(material.work), outcome, cache_),
      reader));
  for (;;) {
    GIST_ASSIGN_OR_RETURN(const std::optional<std::string> piece,
                          outcome->text.Next());
    if (!piece) break;
    if (!reader_left && !on_text(*piece)) reader_left = true;
  }
  accounting.answer_tokens = outcome->answer_tokens;
  accounting.cached_tokens = outcome->cached_tokens;
  accounting.queue_seconds = outcome->queue_seconds;
  accounting.prefill_seconds = outcome->prefill_seconds;
  accounting.first_token_seconds = outcome->first_token_seconds;
  accounting.decode_seconds = outcome->decode_seconds;
  accounting.token_gaps_seconds = std::move(outcome->token_gaps_seconds);
  accounting.alone = accounting.alone && outcome->alone;
  accounting.finish_reason = outcome->stopped ? "stop" : "length";
  accounting.total_seconds = SecondsSince(arrival);
  return accounting;
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
  if (input.trained_reader && engine_.reader().fingerprint.empty()) {
    return Error(Reason::kNoReader,
                 "this server has no trained reader; start gistd with "
                 "--reader, or ask with READER_FROZEN");
  }
  return CheckSampling(input);
}

absl::StatusOr<Pipeline::AskPlan> Pipeline::Load(const AskInput& input,
                                                 const Caller& caller) {
  const ModelInfo& model = engine_.model();
  AskPlan material;
  material.work.begun = cache_.Now();
  Accounting& accounting = material.accounting;
  accounting.mode = input.mode;
  accounting.model_fingerprint = model.fingerprint;
  accounting.prefix_tokens = model.prefix_tokens;
  GIST_ASSIGN_OR_RETURN(const std::vector<int32_t> question,
                        engine_.TokenizeQuestion(input.question));
  accounting.question_tokens = int(question.size());
  if (input.trained_reader) {
    accounting.reader_fingerprint = engine_.reader().fingerprint;
    material.work.trained_tokens = accounting.question_tokens;
  }
  for (const std::string& id : input.context_ids) {
    GIST_ASSIGN_OR_RETURN(ContextRecord record,
                          FindRecord(id, caller.principal.tenant));
    GIST_RETURN_IF_ERROR(CheckModel(record, model.fingerprint));
    accounting.document_tokens += record.document_tokens;
    const Representation* const gists =
        record.Newest(Rung::kGist, input.gist_tokens);
    accounting.adapter_fingerprints.push_back(
        gists == nullptr ? "" : gists->adapter_fingerprint);
    store_.NoteUse(id);
    material.records.push_back(std::move(record));
  }
  accounting.documents = int(material.records.size());
  const AskMode mode = input.mode;
  if (mode == AskMode::kGist || mode == AskMode::kHybrid) {
    GIST_RETURN_IF_ERROR(LoadGists(input, material));
  }
  if (mode == AskMode::kFullContext) {
    GIST_RETURN_IF_ERROR(LoadText(input, material));
  }
  if (mode == AskMode::kRag || mode == AskMode::kHybrid) {
    GIST_RETURN_IF_ERROR(LoadPassages(input, caller, material));
  }
  auto& tokens = material.work.tokens;
  tokens.insert(tokens.end(), question.begin(), question.end());
  const int64_t stands_for = accounting.gist_tokens + accounting.context_tokens;
  accounting.kv_bytes = model.KvBytes(stands_for);
  accounting.full_context_kv_bytes = model.KvBytes(accounting.document_tokens);
  // A document of white space alone has no passage.
  accounting.compression_ratio = double(accounting.document_tokens) /
                                 double(std::max<int64_t>(1, stands_for));
  return material;
}

absl::Status Pipeline::LoadGists(const AskInput& input,
                                 AskPlan& material) const {
  const Clock::time_point start = Clock::now();
  for (const ContextRecord& record : material.records) {
    const Representation* const form =
        record.Newest(Rung::kGist, input.gist_tokens);
    if (form == nullptr) return NoGists(record, input.gist_tokens);
    const auto kv = store_.GetKv(record, *form);
    if (!kv.ok()) return kv.status();  // names the context and what to do
    material.accounting.gist_tokens += form->gist_tokens;
    material.work.gists.push_back(ToDense(*kv));
  }
  material.accounting.load_seconds = SecondsSince(start);
  return absl::OkStatus();
}

// Without a wish the answer gets what it gets by default, or a quarter.
int64_t Pipeline::TextRoom(const AskInput& input,
                           const Accounting& accounting) const {
  const int context = engine_.model().max_context_tokens;
  const int answer = input.max_tokens > 0
                         ? input.max_tokens
                         : std::min(kDefaultAnswerTokens, context / 4);
  return std::max(0, context - accounting.prefix_tokens -
                         accounting.question_tokens - answer);
}

absl::Status Pipeline::LoadText(const AskInput& input,
                                AskPlan& material) const {
  Accounting& accounting = material.accounting;
  // What cannot fit is not even read: it may be large.
  const int64_t tokens = accounting.document_tokens + accounting.prefix_tokens +
                         accounting.question_tokens;
  const int max_tokens = engine_.model().max_context_tokens;
  if (tokens >= max_tokens && !input.truncate) {
    return Error(
        Reason::kContextWindowExceeded,
        fmt::format(
            "documents of {} tokens, the question of {} and the prefix of {} "
            "leave no room for an answer in the model's context of {}; ask "
            "with MODE_GIST, or with truncate from their beginning and end",
            accounting.document_tokens, accounting.question_tokens,
            accounting.prefix_tokens, max_tokens));
  }
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(const std::string joined, JoinedText(material));
  accounting.load_seconds = SecondsSince(start);
  auto& ids = material.work.tokens;
  GIST_ASSIGN_OR_RETURN(ids, engine_.Tokenize(joined));
  const int64_t room = TextRoom(input, accounting);
  if (tokens >= max_tokens && int64_t(ids.size()) > room) {
    accounting.truncated_tokens = int64_t(ids.size()) - room;
    const auto middle = ids.begin() + (room + 1) / 2;
    ids.erase(middle, middle + accounting.truncated_tokens);
  }
  accounting.context_tokens = int(ids.size());
  material.work.context_tokens = accounting.context_tokens;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Pipeline::JoinedText(AskPlan& material) const {
  int64_t bytes = 0;
  for (const ContextRecord& record : material.records) {
    bytes += record.document_bytes;
  }
  if (bytes > limits_.max_document_bytes) {
    return Error(Reason::kDocumentTooLarge,
                 fmt::format("the documents have {} bytes, the limit is {}; "
                             "ask about fewer at once",
                             bytes, limits_.max_document_bytes));
  }
  std::string joined;
  for (const ContextRecord& record : material.records) {
    const auto text = store_.GetText(record.document_id);
    if (absl::IsNotFound(text.status())) {
      return Error(Reason::kTextNotKept,
                   fmt::format("{}: the document's text is not kept here; "
                               "compress the document, "
                               "or ask with MODE_GIST",
                               record.context_id));
    }
    if (!text.ok()) return Explained(record, text.status());
    material.work.document_ids.push_back(record.document_id);
    if (!joined.empty()) joined += kBetweenTexts;
    joined += *text;
  }
  return joined;
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
  Accounting& accounting = material.accounting;
  if (input.all_documents) {
    accounting.documents = retrieved.documents;
    accounting.document_tokens = retrieved.document_tokens;
    for (const RetrievedChunk& chunk : retrieved.chunks) {
      store_.NoteUse(chunk.context_id);
    }
  }
  accounting.index_seconds = retrieved.index_seconds;
  accounting.search_seconds = retrieved.search_seconds;
  accounting.indexed_documents = retrieved.indexed_documents;
  accounting.alone = retrieved.alone;
  accounting.embedder_fingerprint = retriever_->embedder().fingerprint;
  std::vector<Passage> passages;
  for (const RetrievedChunk& chunk : retrieved.chunks) {
    passages.push_back({chunk.document, size_t(chunk.begin), chunk.text});
  }
  GIST_ASSIGN_OR_RETURN(material.work.tokens,
                        engine_.Tokenize(JoinPassages(std::move(passages))));
  accounting.context_tokens = int(material.work.tokens.size());
  accounting.chunks = std::move(retrieved.chunks);
  return absl::OkStatus();
}

// The most tokens that the answer may have.
absl::StatusOr<int> Pipeline::AnswerRoom(const AskInput& input,
                                         const Accounting& accounting) const {
  const int64_t max_tokens = engine_.model().max_context_tokens;
  const int64_t documents = accounting.gist_tokens + accounting.context_tokens;
  const int64_t room = max_tokens - accounting.prefix_tokens - documents -
                       accounting.question_tokens;
  const int64_t wanted = std::max(1, input.max_tokens);
  if (wanted > room) {
    return Error(
        Reason::kContextWindowExceeded,
        fmt::format(
            "a prefix of {} tokens, the documents' {}, the question's {} and "
            "{} "
            "for the answer exceed the model's context of {}; shorten the "
            "question, ask over less, or lower max_tokens",
            accounting.prefix_tokens, documents, accounting.question_tokens,
            wanted, max_tokens));
  }
  if (input.max_tokens > 0) return input.max_tokens;
  return int(std::min<int64_t>(kDefaultAnswerTokens, room));
}

}  // namespace gist
