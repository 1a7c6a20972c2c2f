#include "server/serving/pipeline.h"

#include <cmath>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "server/support/errors.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;
constexpr int64_t kMaxImportedGistBytes = int64_t{64} << 20;
constexpr double kMaxTtlSeconds = 100.0 * 366 * 86400;
constexpr size_t kShownIdBytes = 64;  // of an id that a stranger sent

absl::Status NoSuchContext(std::string_view context_id) {
  std::string_view shown = context_id.substr(0, kShownIdBytes);
  shown = shown.substr(0, FirstInvalidUtf8(shown));
  return Error(
      Reason::kContextNotFound,
      fmt::format("no context has the id \"{}\"; ListContexts names all",
                  shown));
}

}  // namespace

Pipeline::Pipeline(Engine& engine, GistStore& store, Scheduler& scheduler,
                   PipelineLimits limits, Embedder* embedder,
                   const WallClock* clock)
    : clock_(clock == nullptr ? system_clock_ : *clock),
      engine_(engine),
      store_(store),
      scheduler_(scheduler),
      limits_(limits),
      cache_(limits.max_cached_kv_bytes) {
  if (embedder != nullptr) {
    retriever_.emplace(*embedder, store, scheduler, limits.max_index_bytes);
  }
  scheduler.OnOutOfMemory([this] { cache_.Clear(); });
}

Pipeline::~Pipeline() { scheduler_.OnOutOfMemory({}); }

int64_t Pipeline::max_import_bytes() const {
  const ModelInfo& model = engine_.model();
  return limits_.max_document_bytes + kMaxImportedGistBytes +
         model.KvBytes(model.max_context_tokens);
}

absl::StatusOr<ContextRecord> Pipeline::FindRecord(
    std::string_view context_id, std::string_view tenant) const {
  auto record = store_.GetRecord(context_id);
  if (absl::IsNotFound(record.status())) return NoSuchContext(context_id);
  if (record.ok() && record->tenant != tenant) return NoSuchContext(context_id);
  return record;
}

absl::StatusOr<ContextInfo> Pipeline::Describe(
    ContextRecord record, const Representation* form) const {
  ContextInfo info;
  if (form == nullptr) form = record.Newest(Rung::kGist);
  if (form == nullptr) form = record.Newest();
  if (form != nullptr) info.representation = *form;
  GIST_ASSIGN_OR_RETURN(const StoredContext stored,
                        store_.Find(record.context_id));
  info.has_text = stored.text_bytes > 0;
  info.retention = stored.retention;
  info.used_unix_ms = stored.used_unix_ms;
  const ModelInfo& model = engine_.model();
  if (record.model_fingerprint == model.fingerprint) {
    info.full_context_kv_bytes = model.KvBytes(record.document_tokens);
  }
  info.record = std::move(record);
  return info;
}

// The context that has the representations of `wanted`. One gist representation
// may be under the id that a gistd before database version 3 gave it.
absl::StatusOr<ContextRecord> Pipeline::FindStored(
    const ContextRecord& wanted) const {
  auto stored = store_.GetRecord(wanted.context_id);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored;
  if (wanted.representations.empty()) return stored;
  const Representation& form = wanted.representations.front();
  const bool may_be_old =
      wanted.representations.size() == 1 && form.rung == Rung::kGist;
  if (!may_be_old || (stored.ok() && stored->Find(form) != nullptr))
    return stored;
  auto old = store_.GetRecord(
      OldContextId(wanted.document_id, wanted.model_fingerprint,
                   form.adapter_fingerprint, form.gist_tokens));
  return old.ok() && old->tenant == wanted.tenant ? old : stored;
}

absl::StatusOr<ContextInfo> Pipeline::Get(std::string_view context_id,
                                          std::string_view tenant) const {
  GIST_ASSIGN_OR_RETURN(ContextRecord record, FindRecord(context_id, tenant));
  return Describe(std::move(record));
}

absl::StatusOr<ListResult> Pipeline::List(int page_size,
                                          std::string_view page_token,
                                          std::string_view tenant) const {
  if (page_size < 0 || page_size > kMaxPageSize) {
    return InvalidField(
        "page_size", fmt::format("page_size is {}, want 1 to {}, or 0 for {}",
                                 page_size, kMaxPageSize, kDefaultPageSize));
  }
  if (page_size == 0) page_size = kDefaultPageSize;
  GIST_ASSIGN_OR_RETURN(ContextPage page,
                        store_.ListOf(tenant, page_size, page_token));
  ListResult result;
  result.next_page_token = std::move(page.next_page_token);
  for (ContextRecord& record : page.records) {
    auto info = Describe(std::move(record));
    if (absl::IsNotFound(info.status())) continue;  // gone meanwhile
    GIST_RETURN_IF_ERROR(info.status());
    result.contexts.push_back(*std::move(info));
  }
  return result;
}

absl::Status Pipeline::Delete(std::string_view context_id,
                              std::string_view tenant) {
  const auto record = FindRecord(context_id, tenant);
  if (absl::IsNotFound(record.status())) return record.status();
  const absl::Status deleted = store_.Delete(context_id);
  if (absl::IsNotFound(deleted)) return NoSuchContext(context_id);
  if (!deleted.ok() || !record.ok()) return deleted;
  GIST_ASSIGN_OR_RETURN(const bool has_text,
                        store_.HasText(record->document_id));
  if (!has_text) ForgetDocument(record->document_id);
  return absl::OkStatus();
}

void Pipeline::ForgetDocument(std::string_view document_id) {
  cache_.Forget(document_id);
  if (retriever_) retriever_->Forget(document_id);
}

absl::StatusOr<ContextInfo> Pipeline::Update(std::string_view context_id,
                                             const RetentionPolicy& policy,
                                             const Caller& caller) {
  GIST_RETURN_IF_ERROR(CheckPolicy(policy));
  GIST_ASSIGN_OR_RETURN(ContextRecord record,
                        FindRecord(context_id, caller.principal.tenant));
  GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                        writers_.Acquire(record.context_id, caller));
  GIST_ASSIGN_OR_RETURN(const Retention before, RetentionOf(context_id));
  const absl::Status set =
      store_.SetRetention(context_id, Granted(before, policy));
  if (absl::IsNotFound(set)) return NoSuchContext(context_id);
  GIST_RETURN_IF_ERROR(set);
  return Describe(std::move(record));
}

absl::Status Pipeline::CheckPolicy(const RetentionPolicy& policy) const {
  if (policy.ttl_seconds &&
      !(*policy.ttl_seconds > 0 && *policy.ttl_seconds <= kMaxTtlSeconds)) {
    return InvalidField(
        "retention.ttl_seconds",
        fmt::format("ttl_seconds is {}, want more than 0 and at most {:.0f}",
                    *policy.ttl_seconds, kMaxTtlSeconds));
  }
  const int64_t now = clock_.UnixMillis();
  const int64_t last = now + int64_t(kMaxTtlSeconds * 1000);
  const int64_t expires = policy.expire_unix_ms.value_or(0);
  if (expires == 0 || (expires > now && expires <= last)) {
    return absl::OkStatus();
  }
  return InvalidField("retention.expire_unix_ms",
                      fmt::format("expire_unix_ms is {}, want a time after "
                                  "now, {}, and at most {}; to be "
                                  "rid of a context at once, delete it",
                                  expires, now, last));
}

Retention Pipeline::Granted(Retention retention,
                            const RetentionPolicy& policy) const {
  if (policy.expire_unix_ms) retention.expire_unix_ms = *policy.expire_unix_ms;
  if (policy.ttl_seconds) {
    const auto ttl = int64_t(std::ceil(*policy.ttl_seconds * 1000));
    retention.expire_unix_ms = clock_.UnixMillis() + ttl;
  }
  if (policy.pinned) retention.pinned = *policy.pinned;
  return retention;
}

// Of a context that is not there, or damaged: a new one's.
absl::StatusOr<Retention> Pipeline::RetentionOf(
    std::string_view context_id) const {
  const auto stored = store_.Find(context_id);
  if (stored.ok()) return stored->retention;
  const absl::Status& status = stored.status();
  if (absl::IsNotFound(status) || absl::IsDataLoss(status)) return Retention();
  return status;
}

absl::StatusOr<std::string> Pipeline::Export(std::string_view context_id,
                                             bool without_text,
                                             std::string_view tenant) const {
  KvBlob blob;
  GIST_ASSIGN_OR_RETURN(blob.record, FindRecord(context_id, tenant));
  for (const Representation& form : blob.record.representations) {
    GIST_ASSIGN_OR_RETURN(CompressedKv kv, store_.GetKv(blob.record, form));
    blob.kv.push_back(std::move(kv));
  }
  if (!without_text) {
    auto text = store_.GetText(blob.record.document_id);
    if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
    if (text.ok()) blob.text = *std::move(text);
  }
  if (blob.kv.empty() && blob.text.empty()) {
    return InvalidField("without_text",
                        fmt::format("{} holds its text alone: without it there "
                                    "is nothing to export",
                                    context_id));
  }
  return EncodeKvBlob(blob);
}

absl::StatusOr<ImportResult> Pipeline::Import(std::string_view file,
                                              const Caller& caller) {
  if (int64_t(file.size()) > max_import_bytes()) {
    return Error(Reason::kDocumentTooLarge,
                 fmt::format("the file has {} bytes, the limit is {}",
                             file.size(), max_import_bytes()));
  }
  GIST_ASSIGN_OR_RETURN(KvBlob blob, DecodeKvBlob(file));
  GIST_RETURN_IF_ERROR(CheckImport(blob));
  Reassign(caller.principal, blob);
  for (Representation& form : blob.record.representations) form.imported = true;
  GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                        writers_.Acquire(blob.record.context_id, caller));
  ImportResult result;
  GIST_RETURN_IF_ERROR(StoreImport(blob, result));
  return result;
}

// Stores the representations that were not computed here, and the text where
// there is none.
absl::Status Pipeline::StoreImport(const KvBlob& blob, ImportResult& result) {
  const auto stored = FindStored(blob.record);
  if (!stored.ok() && !absl::IsNotFound(stored.status()) &&
      !absl::IsDataLoss(stored.status())) {
    return stored.status();
  }
  ContextRecord wanted = blob.record;
  wanted.representations.clear();
  std::vector<CompressedKv> kv;
  for (size_t i = 0; i < blob.kv.size(); ++i) {
    const Representation& form = blob.record.representations[i];
    const Representation* const there =
        stored.ok() ? stored->Find(form) : nullptr;
    if (there != nullptr && !there->imported) continue;
    wanted.representations.push_back(form);
    kv.push_back(blob.kv[i]);
  }
  std::string id = stored.ok() ? stored->context_id : wanted.context_id;
  GIST_ASSIGN_OR_RETURN(const bool has_text,
                        store_.HasText(wanted.document_id));
  const bool adds_text = !blob.text.empty() && !has_text;
  if (!kv.empty() || adds_text || !stored.ok()) {
    id = wanted.context_id;
    result.is_new = absl::IsNotFound(store_.GetRecord(id).status());
    GIST_ASSIGN_OR_RETURN(const Retention retention, RetentionOf(id));
    GIST_RETURN_IF_ERROR(store_.Put(wanted, blob.text, kv, retention));
  }
  GIST_ASSIGN_OR_RETURN(ContextRecord record, FindRecord(id, wanted.tenant));
  const Representation* const newest = blob.record.Newest();
  const Representation* const form =
      newest == nullptr ? nullptr : record.Find(*newest);
  GIST_ASSIGN_OR_RETURN(result.context, Describe(record, form));
  return absl::OkStatus();
}

// The tenant has a context of the record's document and model.
bool Pipeline::IsHeldBy(std::string_view tenant,
                        const ContextRecord& record) const {
  const std::string id =
      ContextId(record.document_id, record.model_fingerprint);
  return FindRecord(record.context_id, tenant).ok() ||
         FindRecord(id, tenant).ok();
}

// Makes what a file holds its importer's own. The document's id follows from
// tenant and text, whatever the file says. Without the text nothing proves the
// id: it might name another tenant's document, whose text would then answer. So
// where there are tenants such a document gets an id that no text has.
void Pipeline::Reassign(const Principal& principal, KvBlob& blob) const {
  ContextRecord& record = blob.record;
  const bool has_tenants = !principal.token_id.empty();
  if (!blob.text.empty()) {
    record.document_id = DocumentId(principal.tenant, blob.text);
  } else if (has_tenants && !IsHeldBy(principal.tenant, record)) {
    record.document_id = DocumentId(
        fmt::format("{}/without text", principal.tenant), record.document_id);
  }
  record.tenant = principal.tenant;
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
}

// The file is whole (DecodeKvBlob). It must also be true, and its
// representations of this model.
absl::Status Pipeline::CheckImport(const KvBlob& blob) const {
  const ModelInfo& model = engine_.model();
  const ContextRecord& record = blob.record;
  const bool is_text_alone = record.representations.empty();
  if (!is_text_alone)
    GIST_RETURN_IF_ERROR(CheckModel(record, model.fingerprint));
  for (const Representation& form : record.representations) {
    GIST_RETURN_IF_ERROR(Within("the file", CheckMethodVersion(form)));
  }
  for (const CompressedKv& kv : blob.kv) {
    if (model.HasShapeOf(kv)) continue;
    return absl::DataLossError(fmt::format(
        "the file's keys have {} layers, {} KV heads of {}; the model that it "
        "names has {}, {} of {}",
        kv.layers, kv.kv_heads, kv.head_dim, model.layers, model.kv_heads,
        model.head_dim));
  }
  if (record.document_bytes > limits_.max_document_bytes) {
    return Error(
        Reason::kDocumentTooLarge,
        fmt::format("the file's document has {} bytes, the limit is {}",
                    record.document_bytes, limits_.max_document_bytes));
  }
  if (blob.text.empty()) return absl::OkStatus();
  const std::string document_id = DocumentId(record.tenant, blob.text);
  if (document_id != record.document_id) {
    return absl::DataLossError(
        fmt::format("the file's text has the document id {}, its record says "
                    "{}: one of them was changed",
                    document_id, record.document_id));
  }
  if (!IsOfThisModel(record)) return absl::OkStatus();  // counted by its own
  GIST_ASSIGN_OR_RETURN(const LimitedTokens tokens,
                        TokensUpTo(record.document_tokens, blob.text));
  if (int64_t(tokens.ids.size()) == record.document_tokens)
    return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "the file's text has {} tokens{}, its record says {}", tokens.ids.size(),
      InFirstBytes(tokens, blob.text), record.document_tokens));
}

}  // namespace gist
