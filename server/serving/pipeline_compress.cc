#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "server/serving/missing.h"
#include "server/serving/pipeline.h"
#include "server/support/errors.h"
#include "server/support/names.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

// As RequestIds keeps it; a context id has no "/".
std::string MadeBy(const CompressResult& result) {
  return fmt::format("{}/{}", result.context.record.context_id,
                     RepresentationKey(result.context.representation));
}

}  // namespace

absl::StatusOr<CompressResult> Pipeline::Compress(
    const CompressInput& input, const Caller& caller,
    const ProgressSink& progress) {
  if (input.request_id.empty()) return CompressLatest(input, caller, progress);
  GIST_RETURN_IF_ERROR(CheckPlainName("request_id", input.request_id));
  const std::string id = RequestKey(caller, input.request_id);
  const std::string digest =
      Sha256Hex(fmt::format("{} {} {}\n{}", RungName(input.rung),
                            input.storage ? KvStorageName(*input.storage) : "",
                            input.gist_tokens, input.text));
  GIST_ASSIGN_OR_RETURN(const auto made, requests_.Begin(id, digest));
  if (made) {
    auto recalled = Recall(*made, input, caller);
    if (recalled.ok() || !IsMiss(recalled.status())) return recalled;
  }
  auto result = CompressLatest(input, caller, progress);
  requests_.End(id, digest, result.ok() ? MadeBy(*result) : "");
  return result;
}

// "/" is in no plain name.
std::string Pipeline::RequestKey(const Caller& caller,
                                 std::string_view request_id) {
  return fmt::format("{}/{}", caller.principal.tenant, request_id);
}

// What an earlier call made, as it is now.
absl::StatusOr<CompressResult> Pipeline::Recall(const std::string& made,
                                                const CompressInput& input,
                                                const Caller& caller) const {
  const Clock::time_point start = Clock::now();
  const size_t slash = made.find('/');
  GIST_ASSIGN_OR_RETURN(
      ContextRecord record,
      FindRecord(made.substr(0, slash), caller.principal.tenant));
  const auto form = std::ranges::find(
      record.representations, made.substr(slash + 1), RepresentationKey);
  if (form == record.representations.end())
    return absl::NotFoundError("the representation was replaced");
  CompressResult result;
  GIST_ASSIGN_OR_RETURN(result.cached, IsComputed(record, *form, input.text));
  GIST_ASSIGN_OR_RETURN(result.context, Describe(record, &*form));
  if (!result.cached) return absl::NotFoundError("it was damaged or replaced");
  result.timings.total_seconds = SecondsSince(start);
  return result;
}

absl::StatusOr<CompressResult> Pipeline::CompressLatest(
    const CompressInput& input, const Caller& caller,
    const ProgressSink& progress) {
  auto result = CompressOnce(input, caller, progress);
  // A new adapter means other gists, under another id; a context may go just
  // when it was found: from the start, once.
  if (!absl::IsAborted(result.status())) return result;
  return CompressOnce(input, caller, progress);
}

absl::StatusOr<CompressResult> Pipeline::CompressOnce(
    const CompressInput& input, const Caller& caller,
    const ProgressSink& progress) {
  const Clock::time_point start = Clock::now();
  CompressResult result;
  GIST_RETURN_IF_ERROR(CheckPolicy(input.retention));
  GIST_ASSIGN_OR_RETURN(CompressWork work,
                        PlanCompress(input, caller.principal.tenant));
  result.timings.tokenize_seconds = SecondsSince(start);

  ContextRecord record = NameOf(work, input.text);
  const Representation form = record.representations.front();

  const Clock::time_point turn = Clock::now();
  GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                        writers_.Acquire(record.context_id, caller));
  result.timings.queue_seconds = SecondsSince(turn);
  const auto stored = FindStored(record);
  if (!stored.ok() && !IsMiss(stored.status())) return stored.status();
  if (const auto* there = stored.ok() ? stored->Find(form) : nullptr) {
    GIST_ASSIGN_OR_RETURN(result.cached,
                          IsComputed(*stored, *there, input.text));
  }
  if (result.cached) record = *stored;
  GIST_ASSIGN_OR_RETURN(const Retention before, RetentionOf(record.context_id));
  if (result.cached) {
    GIST_RETURN_IF_ERROR(
        NoteRequest(record.context_id, before, input.retention));
  } else {
    result.is_new =
        absl::IsNotFound(store_.GetRecord(record.context_id).status());
    record.representations.front().kv_bytes = EstimatedBytes(work);
    GIST_RETURN_IF_ERROR(store_.CheckRoom(record, record.document_bytes));
    GIST_RETURN_IF_ERROR(ComputeAndStore(std::move(work), input, before, caller,
                                         progress, record, result));
    GIST_ASSIGN_OR_RETURN(record, FindRecord(record.context_id, record.tenant));
  }
  GIST_ASSIGN_OR_RETURN(result.context, Describe(record, record.Find(form)));
  result.timings.total_seconds = SecondsSince(start);
  return result;
}

absl::Status Pipeline::NoteRequest(const std::string& context_id,
                                   const Retention& before,
                                   const RetentionPolicy& policy) {
  const Retention wanted = Granted(before, policy);
  if (!(wanted == before)) {
    const absl::Status set = store_.SetRetention(context_id, wanted);
    if (absl::IsNotFound(set)) return GoneMeanwhile();
    GIST_RETURN_IF_ERROR(set);
  }
  store_.NoteUse(context_id);
  return absl::OkStatus();
}

ContextRecord Pipeline::RecordOf(std::string_view tenant,
                                 std::string document_id, std::string_view text,
                                 int64_t tokens) const {
  ContextRecord record;
  record.tenant = std::string(tenant);
  record.document_id = std::move(document_id);
  record.model_fingerprint = engine_.model().fingerprint;
  record.document_bytes = int64_t(text.size());
  record.document_tokens = tokens;
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
  return record;
}

// The record of a document that is not computed yet: all that names it.
ContextRecord Pipeline::NameOf(const CompressWork& work,
                               std::string_view text) const {
  ContextRecord record = RecordOf(work.tenant, work.document_id, text,
                                  int64_t(work.tokens.size()));
  record.representations = {{.rung = work.spec.rung,
                             .gist_tokens = work.groups * work.spec.gist_tokens,
                             .ratio = work.spec.ratio,
                             .storage = work.spec.storage,
                             .method_version = MethodVersion(work.spec.rung),
                             .adapter_fingerprint = work.adapter_fingerprint}};
  return record;
}

absl::StatusOr<CompressionSpec> Pipeline::SpecOf(
    const CompressInput& input) const {
  const bool is_full = input.rung == Rung::kFull;
  if (!is_full && input.rung != Rung::kGist) {
    return absl::UnimplementedError(
        fmt::format("no method makes the rung {:?} yet: ask for gist or full",
                    RungName(input.rung)));
  }
  const KvStorage storage =
      input.storage.value_or(is_full ? KvStorage::kI8 : KvStorage::kF16);
  if (storage != KvStorage::kF16 && !(is_full && storage == KvStorage::kI8)) {
    return InvalidField(
        "representation.storage",
        fmt::format("storage is {}, want {} for the rung {}",
                    KvStorageName(storage), is_full ? "f16 or i8" : "f16",
                    RungName(input.rung)));
  }
  if (is_full && input.gist_tokens != 0) {
    return InvalidField("representation.gist_tokens",
                        fmt::format("gist_tokens is {}, want 0: the rung full "
                                    "has no gists",
                                    input.gist_tokens));
  }
  return CompressionSpec{
      .rung = input.rung, .ratio = is_full ? 1 : 0, .storage = storage};
}

// Bytes of the representation to be, near enough for quotas.
int64_t Pipeline::EstimatedBytes(const CompressWork& work) const {
  const ModelInfo& model = engine_.model();
  if (work.spec.rung == Rung::kGist)
    return model.KvBytes(int64_t(work.groups) * work.spec.gist_tokens);
  const int64_t tokens = int64_t(work.tokens.size());
  const int64_t slots = tokens * model.layers * model.kv_heads;
  const int64_t positions = slots * int64_t(sizeof(uint32_t));
  if (work.spec.storage == KvStorage::kF16)
    return model.KvBytes(tokens) + positions;
  return model.KvBytes(tokens) / 2 + slots * 4 + positions;  // two scales
}

absl::StatusOr<CompressWork> Pipeline::PlanCompress(
    const CompressInput& input, std::string_view tenant) const {
  CompressWork work;
  work.begun = cache_.Now();
  work.document_id = DocumentId(tenant, input.text);
  work.tenant = tenant;
  GIST_ASSIGN_OR_RETURN(work.spec, SpecOf(input));
  GIST_ASSIGN_OR_RETURN(work.tokens, DocumentTokens(input.text));
  GIST_RETURN_IF_ERROR(work.spec.rung == Rung::kFull ? PlanFull(work)
                                                     : PlanGists(input, work));
  return work;
}

absl::StatusOr<std::vector<int32_t>> Pipeline::DocumentTokens(
    std::string_view text) const {
  GIST_RETURN_IF_ERROR(CheckDocument(text));
  const int64_t limit = limits_.max_document_tokens;
  if (int64_t(text.size()) / kMostBytesPerToken >= limit) {
    return Error(
        Reason::kDocumentTooLarge,
        fmt::format("the document has {} bytes, {} or more for each token of "
                    "the limit, the limit is {}; split it and ask over several "
                    "contexts",
                    text.size(), kMostBytesPerToken, limit));
  }
  GIST_ASSIGN_OR_RETURN(LimitedTokens tokens, TokensUpTo(limit, text));
  if (tokens.ids.empty()) {
    return absl::InternalError("the tokenizer made nothing of the document");
  }
  if (int64_t(tokens.ids.size()) > limit) {
    return Error(
        Reason::kDocumentTooLarge,
        fmt::format("the document has {} tokens{}, the limit is {}; split it "
                    "and ask over several contexts",
                    tokens.ids.size(), InFirstBytes(tokens, text), limit));
  }
  return std::move(tokens.ids);
}

absl::StatusOr<LimitedTokens> Pipeline::TokensUpTo(
    int64_t limit, std::string_view text) const {
  return TokenizeUpTo(limit, text, [this](std::string_view beginning) {
    return engine_.Tokenize(beginning);
  });
}

// One group: the document is read as MODE_FULL_CONTEXT reads it.
absl::Status Pipeline::PlanFull(CompressWork& work) const {
  const ModelInfo& model = engine_.model();
  const int64_t tokens = int64_t(work.tokens.size());
  if (model.prefix_tokens + tokens < model.max_context_tokens)
    return absl::OkStatus();
  return Error(
      Reason::kContextWindowExceeded,
      fmt::format("a document of {} tokens and the prefix of {} leave "
                  "no room in the model's context of {}; compress it "
                  "into gists, or split it",
                  tokens, model.prefix_tokens, model.max_context_tokens));
}

absl::Status Pipeline::PlanGists(const CompressInput& input,
                                 CompressWork& work) const {
  const AdapterInfo adapter = engine_.adapter();
  if (!adapter.is_loaded()) return NoGistAdapter(engine_.model());
  const int64_t tokens = int64_t(work.tokens.size());
  work.adapter_fingerprint = adapter.fingerprint;
  GIST_ASSIGN_OR_RETURN(work.spec.gist_tokens,
                        GistTokens(adapter, input.gist_tokens));
  const ModelInfo& model = engine_.model();
  const int64_t room =
      model.max_context_tokens - model.prefix_tokens - work.spec.gist_tokens;
  const int64_t trained = adapter.max_document_tokens;
  const int64_t group_tokens =
      std::max<int64_t>(1, trained > 0 ? std::min(trained, room) : room);
  const int64_t groups = (tokens + group_tokens - 1) / group_tokens;
  const int64_t gists = groups * work.spec.gist_tokens;
  if (gists >= model.max_context_tokens - model.prefix_tokens) {
    return InvalidField(
        "representation.gist_tokens",
        fmt::format("{} gists ({} for each of {} groups of the document) do "
                    "not fit the "
                    "model's context of {} tokens; ask for fewer",
                    gists, work.spec.gist_tokens, groups,
                    model.max_context_tokens));
  }
  work.groups = int(groups);
  return absl::OkStatus();
}

absl::Status Pipeline::CheckDocument(std::string_view text) const {
  if (text.empty()) {
    return InvalidField("text",
                        "the document is empty, want 1 byte of text or more");
  }
  if (int64_t(text.size()) > limits_.max_document_bytes) {
    return Error(
        Reason::kDocumentTooLarge,
        fmt::format("the document has {} bytes, the limit is {}; split it and "
                    "ask over several contexts",
                    text.size(), limits_.max_document_bytes));
  }
  const size_t invalid = FirstInvalidUtf8(text);
  if (invalid < text.size()) {
    return InvalidField(
        "text",
        fmt::format(
            "the document is not UTF-8: byte 0x{:02x} at offset {}; convert it "
            "first",
            uint8_t(text[invalid]), invalid));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Pipeline::GistTokens(const AdapterInfo& adapter,
                                         int requested) const {
  const int limit =
      engine_.model().max_context_tokens - engine_.model().prefix_tokens;
  const int gists = requested == 0 ? adapter.gist_tokens : requested;
  if (gists <= 0 || gists >= limit) {
    return InvalidField(
        "representation.gist_tokens",
        fmt::format("gist_tokens is {}, want 1 to below {}, or 0 for the "
                    "adapter's default of {}",
                    requested, limit, adapter.gist_tokens));
  }
  return gists;
}

// Computed here, whole, and its document too.
absl::StatusOr<bool> Pipeline::IsComputed(const ContextRecord& record,
                                          const Representation& form,
                                          std::string_view text) const {
  if (form.imported || !CheckMethodVersion(form).ok()) return false;
  const auto kv = store_.GetKv(record, form);
  if (!kv.ok()) {
    if (IsMiss(kv.status())) return false;
    return kv.status();
  }
  return KeepsText(record.document_id, text);
}

absl::StatusOr<bool> Pipeline::KeepsText(std::string_view document_id,
                                         std::string_view text) const {
  const auto kept = store_.GetText(document_id);
  if (!kept.ok() && !IsMiss(kept.status())) return kept.status();
  return kept.ok() && *kept == text;
}

absl::Status Pipeline::ComputeAndStore(
    CompressWork work, const CompressInput& input, const Retention& retention,
    const Caller& caller, const ProgressSink& progress, ContextRecord record,
    CompressResult& result) {
  const auto outcome = std::make_shared<CompressOutcome>();
  GIST_RETURN_IF_ERROR(scheduler_.Submit(
      std::make_unique<CompressJob>(std::move(work), outcome, cache_), caller));
  for (;;) {
    GIST_ASSIGN_OR_RETURN(const std::optional<CompressProgress> step,
                          outcome->progress.Next());
    if (!step) break;
    if (progress) progress(*step);
  }
  result.timings.queue_seconds += outcome->queue_seconds;
  result.timings.prefill_seconds = outcome->prefill_seconds;
  result.usage.cached_tokens = outcome->cached_tokens;
  result.timings.build_seconds = outcome->gist_seconds;

  const Clock::time_point start = Clock::now();
  record.created_unix_ms = clock_.UnixMillis();
  Representation& form = record.representations.front();
  form.build_seconds = outcome->compress_seconds;
  form.created_unix_ms = record.created_unix_ms;
  GIST_RETURN_IF_ERROR(store_.Put(record, input.text, outcome->kv,
                                  Granted(retention, input.retention)));
  result.timings.store_seconds = SecondsSince(start);
  return absl::OkStatus();
}

}  // namespace gist
