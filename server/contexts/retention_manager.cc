#include "server/contexts/retention_manager.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/checksum.h"
#include "core/base/status.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

constexpr int64_t kMinuteMillis = 60'000;  // uses within one are equally old

absl::Status NoContext(std::string_view context_id) {
  return absl::NotFoundError(fmt::format(
      "no context {:?}: list the contexts to see which there are", context_id));
}

int64_t SumOf(const std::map<std::string, int64_t>& bytes_by_key) {
  int64_t sum = 0;
  for (const auto& [key, bytes] : bytes_by_key) sum += bytes;
  return sum;
}

bool HasKey(const ContextRecord& record, const std::string& key) {
  return std::ranges::find(record.representations, key, RepresentationKey) !=
         record.representations.end();
}

// A Put of `record` replaces the representation `key` of a stored context with
// this status. All of a damaged context is replaced.
bool WillReplace(const absl::Status& stored, const ContextRecord& record,
                 const std::string& key) {
  return !stored.ok() || HasKey(record, key);
}

}  // namespace

int64_t RetentionManager::Entry::KvBytes() const { return SumOf(kv_bytes); }

absl::StatusOr<std::unique_ptr<RetentionManager>> RetentionManager::Open(
    GistStore& store, RetentionLimits limits, const WallClock& clock) {
  GIST_ASSIGN_OR_RETURN(const auto contexts, store.Inventory());
  std::unique_ptr<RetentionManager> keeper(
      new RetentionManager(store, limits, clock));
  const std::scoped_lock lock(keeper->mutex_);
  for (const StoredContext& context : contexts) keeper->AddLocked(context);
  return keeper;
}

void RetentionManager::OnRemoved(RemovedSink sink) {
  const std::scoped_lock lock(writing_);
  on_removed_ = std::move(sink);
}

StoreUsage RetentionManager::usage() const {
  const std::scoped_lock lock(mutex_);
  return {.contexts = int64_t(entries_.size()),
          .bytes = bytes_,
          .max_contexts = limits_.max_contexts,
          .max_bytes = limits_.max_store_bytes};
}

// In place of an entry of the same id.
void RetentionManager::AddLocked(const StoredContext& context) {
  Document& document = documents_[context.document_id];
  ++document.contexts;  // first: with its last context a document goes
  RemoveLocked(context.context_id);
  // A context without the text leaves a text that is there.
  const int64_t text = std::max(document.text_bytes, context.text_bytes);
  const int64_t index = std::max(document.index_bytes, context.index_bytes);
  bytes_ += SumOf(context.kv_bytes) + text - document.text_bytes + index -
            document.index_bytes;
  document.text_bytes = text;
  document.index_bytes = index;
  entries_[context.context_id] = {.document_id = context.document_id,
                                  .tenant = context.tenant,
                                  .document_tokens = context.document_tokens,
                                  .kv_bytes = context.kv_bytes,
                                  .used_unix_ms = context.used_unix_ms,
                                  .use_is_written = true,
                                  .retention = context.retention,
                                  .status = context.status};
}

bool RetentionManager::RemoveLocked(const std::string& context_id) {
  const auto entry = entries_.find(context_id);
  if (entry == entries_.end()) return false;
  const auto document = documents_.find(entry->second.document_id);
  bytes_ -= entry->second.KvBytes();
  entries_.erase(entry);
  if (--document->second.contexts > 0) return false;
  bytes_ -= document->second.text_bytes + document->second.index_bytes;
  documents_.erase(document);
  return true;
}

bool RetentionManager::IsExpiredLocked(const Entry& entry) const {
  const int64_t expires = entry.retention.expire_unix_ms;
  return expires != 0 && expires <= clock_.UnixMillis();
}

// kNotFound: it is not there any more; kDataLoss: its retention is damaged.
absl::Status RetentionManager::CheckLocked(std::string_view context_id) const {
  const auto entry = entries_.find(std::string(context_id));
  if (entry == entries_.end() || IsExpiredLocked(entry->second)) {
    return NoContext(context_id);
  }
  return entry->second.status;
}

bool RetentionManager::FitsLocked(int64_t bytes, int64_t contexts) const {
  return (limits_.max_store_bytes == 0 || bytes <= limits_.max_store_bytes) &&
         (limits_.max_contexts == 0 || contexts <= limits_.max_contexts);
}

RetentionManager::Incoming RetentionManager::IncomingLocked(
    const ContextRecord& record, int64_t text_bytes) const {
  Incoming incoming{.context_id = record.context_id,
                    .document_id = record.document_id,
                    .bytes = record.KvBytes(),
                    .contexts = 1};
  const auto entry = entries_.find(record.context_id);
  if (entry != entries_.end()) {
    incoming.contexts = 0;
    for (const auto& [key, bytes] : entry->second.kv_bytes) {
      if (WillReplace(entry->second.status, record, key))
        incoming.bytes -= bytes;
    }
  }
  const auto document = documents_.find(record.document_id);
  const bool has_text =
      document != documents_.end() && document->second.text_bytes > 0;
  if (!has_text) incoming.bytes += text_bytes;
  return incoming;
}

// Who goes so that `incoming` fits: the expired, then the least recently used.
absl::StatusOr<std::vector<std::string>> RetentionManager::VictimsLocked(
    const Incoming& incoming) const {
  int64_t bytes = bytes_ + incoming.bytes;
  int64_t contexts = int64_t(entries_.size()) + incoming.contexts;
  std::vector<std::string> victims;
  if (FitsLocked(bytes, contexts)) return victims;
  // {not expired, minute of last use, minus size, id}: sorts as they go.
  std::vector<std::tuple<bool, int64_t, int64_t, std::string>> candidates;
  for (const auto& [id, entry] : entries_) {
    const bool expired = IsExpiredLocked(entry);
    if (entry.document_id == incoming.document_id) continue;
    if (entry.retention.pinned && !expired) continue;
    const Document& document = documents_.at(entry.document_id);
    const int64_t size =
        entry.KvBytes() + document.text_bytes + document.index_bytes;
    candidates.emplace_back(!expired, entry.used_unix_ms / kMinuteMillis, -size,
                            id);
  }
  std::ranges::sort(candidates);
  std::unordered_map<std::string, int> gone;  // contexts, by document
  for (auto& candidate : candidates) {
    const std::string& id = std::get<3>(candidate);
    const Entry& entry = entries_.at(id);
    const Document& document = documents_.at(entry.document_id);
    bytes -= entry.KvBytes();
    --contexts;
    if (++gone[entry.document_id] == document.contexts)
      bytes -= document.text_bytes + document.index_bytes;
    victims.push_back(id);
    if (FitsLocked(bytes, contexts)) return victims;
  }
  return absl::ResourceExhaustedError(fmt::format(
      "no room: with what is pinned, or belongs to the same document, the "
      "store would hold {} bytes in {} contexts, the limits are {} bytes and "
      "{} contexts (0: none); unpin or delete contexts, or raise "
      "--max-store-bytes or --max-contexts",
      bytes, contexts, limits_.max_store_bytes, limits_.max_contexts));
}

absl::Status RetentionManager::MakeRoom(const Incoming& incoming) {
  std::vector<std::string> victims;
  std::vector<bool> expired;
  {
    const std::scoped_lock lock(mutex_);
    GIST_ASSIGN_OR_RETURN(victims, VictimsLocked(incoming));
    for (const std::string& id : victims)
      expired.push_back(IsExpiredLocked(entries_.at(id)));
  }
  for (size_t i = 0; i < victims.size(); ++i) {
    GIST_RETURN_IF_ERROR(
        Remove(victims[i], expired[i] ? Removal::kExpired : Removal::kEvicted));
  }
  return absl::OkStatus();
}

absl::Status RetentionManager::Remove(const std::string& context_id,
                                      Removal why) {
  const absl::Status deleted = store_.Delete(context_id);
  if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  RemovedContext removed{.why = why,
                         .context_id = context_id,
                         .document_id = {},
                         .document_gone = false};
  {
    const std::scoped_lock lock(mutex_);
    const auto entry = entries_.find(context_id);
    if (entry == entries_.end()) return absl::OkStatus();
    removed.document_id = entry->second.document_id;
    removed.document_gone = RemoveLocked(context_id);
  }
  if (on_removed_) on_removed_(removed);
  return absl::OkStatus();
}

std::vector<ContextUse> RetentionManager::TakeUnwrittenUsesLocked() {
  std::vector<ContextUse> uses;
  for (auto& [id, entry] : entries_) {
    if (std::exchange(entry.use_is_written, true)) continue;
    uses.push_back({id, entry.used_unix_ms});
  }
  return uses;
}

absl::Status RetentionManager::Sweep() {
  const std::scoped_lock writing(writing_);
  std::vector<std::string> expired;
  std::vector<ContextUse> uses;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (IsExpiredLocked(entry)) expired.push_back(id);
    }
    uses = TakeUnwrittenUsesLocked();
  }
  absl::Status status;
  if (!uses.empty()) status.Update(store_.WriteUses(uses));
  for (const std::string& id : expired)
    status.Update(Remove(id, Removal::kExpired));
  return status;
}

absl::StatusOr<StoredContext> RetentionManager::Find(
    std::string_view context_id) const {
  const std::scoped_lock lock(mutex_);
  GIST_RETURN_IF_ERROR(CheckLocked(context_id));
  const Entry& entry = entries_.at(std::string(context_id));
  return DescribeLocked(std::string(context_id), entry);
}

StoredContext RetentionManager::DescribeLocked(const std::string& context_id,
                                               const Entry& entry) const {
  const Document& document = documents_.at(entry.document_id);
  return {.context_id = context_id,
          .document_id = entry.document_id,
          .tenant = entry.tenant,
          .document_tokens = entry.document_tokens,
          .kv_bytes = entry.kv_bytes,
          .text_bytes = document.text_bytes,
          .index_bytes = document.index_bytes,
          .used_unix_ms = entry.used_unix_ms,
          .retention = entry.retention,
          .status = entry.status};
}

absl::StatusOr<std::vector<TenantDocument>> RetentionManager::TenantDocuments(
    std::string_view tenant) const {
  std::vector<StoredContext> contexts;
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry.tenant != tenant || IsExpiredLocked(entry)) continue;
    contexts.push_back(DescribeLocked(id, entry));
  }
  return DocumentsOf(tenant, contexts);
}

absl::Status RetentionManager::PutTenantIndex(
    std::string_view tenant, std::span<const std::string> document_ids,
    std::string_view bytes) {
  return store_.PutTenantIndex(tenant, document_ids, bytes);
}

absl::StatusOr<std::string> RetentionManager::GetTenantIndex(
    std::string_view tenant) const {
  return store_.GetTenantIndex(tenant);
}

absl::Status RetentionManager::CheckRoom(const ContextRecord& record,
                                         int64_t text_bytes) const {
  const std::scoped_lock lock(mutex_);
  return VictimsLocked(IncomingLocked(record, text_bytes)).status();
}

// Of what is stored beside `record` and of `record`.
std::map<std::string, int64_t> RetentionManager::BytesAfterPutLocked(
    const ContextRecord& record) const {
  std::map<std::string, int64_t> bytes;
  const auto entry = entries_.find(record.context_id);
  if (entry != entries_.end() && entry->second.status.ok())
    bytes = entry->second.kv_bytes;
  for (const Representation& form : record.representations)
    bytes[RepresentationKey(form)] = form.kv_bytes;
  return bytes;
}

absl::Status RetentionManager::Put(const ContextRecord& record,
                                   std::string_view text,
                                   std::span<const CompressedKv> kv,
                                   const Retention& retention) {
  const std::scoped_lock writing(writing_);
  ContextRecord sized = record;
  for (size_t i = 0; i < std::min(kv.size(), sized.representations.size()); ++i)
    SetSizes(kv[i], sized.representations[i]);
  GIST_RETURN_IF_ERROR(RemoveIfExpired(record.context_id).status());
  Incoming incoming;
  {
    const std::scoped_lock lock(mutex_);
    incoming = IncomingLocked(sized, int64_t(text.size()));
  }
  GIST_RETURN_IF_ERROR(MakeRoom(incoming));
  GIST_RETURN_IF_ERROR(store_.Put(sized, text, kv, retention));
  const std::scoped_lock lock(mutex_);
  AddLocked({.context_id = record.context_id,
             .document_id = record.document_id,
             .tenant = record.tenant,
             .document_tokens = record.document_tokens,
             .kv_bytes = BytesAfterPutLocked(sized),
             .text_bytes = int64_t(text.size()),
             .index_bytes = 0,
             .used_unix_ms = clock_.UnixMillis(),
             .retention = retention,
             .status = {}});
  entries_.at(record.context_id).use_is_written = false;
  return absl::OkStatus();
}

absl::StatusOr<ContextRecord> RetentionManager::GetRecord(
    std::string_view context_id) const {
  {
    const std::scoped_lock lock(mutex_);
    GIST_RETURN_IF_ERROR(CheckLocked(context_id));
  }
  return store_.GetRecord(context_id);
}

absl::Status RetentionManager::SetRetention(std::string_view context_id,
                                            const Retention& retention) {
  const std::scoped_lock writing(writing_);
  {
    const std::scoped_lock lock(mutex_);
    GIST_RETURN_IF_ERROR(CheckLocked(context_id));
  }
  GIST_RETURN_IF_ERROR(store_.SetRetention(context_id, retention));
  const std::scoped_lock lock(mutex_);
  entries_.at(std::string(context_id)).retention = retention;
  return absl::OkStatus();
}

void RetentionManager::NoteUse(std::string_view context_id) {
  const std::scoped_lock lock(mutex_);
  const auto entry = entries_.find(std::string(context_id));
  if (entry == entries_.end()) return;
  entry->second.used_unix_ms = clock_.UnixMillis();
  entry->second.use_is_written = false;
}

absl::Status RetentionManager::WriteUses(std::span<const ContextUse> uses) {
  return store_.WriteUses(uses);
}

absl::StatusOr<CompressedKv> RetentionManager::GetKv(
    const ContextRecord& record, const Representation& representation) const {
  {
    const std::scoped_lock lock(mutex_);
    GIST_RETURN_IF_ERROR(CheckLocked(record.context_id));
  }
  return store_.GetKv(record, representation);
}

absl::StatusOr<std::string> RetentionManager::GetText(
    std::string_view document_id) const {
  return store_.GetText(document_id);
}

absl::StatusOr<bool> RetentionManager::HasText(
    std::string_view document_id) const {
  return store_.HasText(document_id);
}

absl::Status RetentionManager::PutChunkIndex(std::string_view document_id,
                                             std::string_view bytes) {
  const std::scoped_lock writing(writing_);
  const std::string id(document_id);
  const int64_t index_bytes = int64_t(bytes.size()) + kSealBytes;
  Incoming incoming{
      .context_id = {}, .document_id = id, .bytes = index_bytes, .contexts = 0};
  {
    const std::scoped_lock lock(mutex_);
    const auto document = documents_.find(id);
    if (document != documents_.end())
      incoming.bytes -= document->second.index_bytes;
  }
  GIST_RETURN_IF_ERROR(MakeRoom(incoming));
  GIST_RETURN_IF_ERROR(store_.PutChunkIndex(document_id, bytes));
  const std::scoped_lock lock(mutex_);
  const auto document = documents_.find(id);
  if (document == documents_.end()) return absl::OkStatus();
  bytes_ += index_bytes - document->second.index_bytes;
  document->second.index_bytes = index_bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::string> RetentionManager::GetChunkIndex(
    std::string_view document_id) const {
  return store_.GetChunkIndex(document_id);
}

absl::StatusOr<ContextPage> RetentionManager::List(
    int page_size, std::string_view page_token) const {
  GIST_ASSIGN_OR_RETURN(ContextPage page, store_.List(page_size, page_token));
  return WithoutExpired(std::move(page));
}

absl::StatusOr<ContextPage> RetentionManager::ListOf(
    std::string_view tenant, int page_size, std::string_view page_token) const {
  GIST_ASSIGN_OR_RETURN(ContextPage page,
                        store_.ListOf(tenant, page_size, page_token));
  return WithoutExpired(std::move(page));
}

ContextPage RetentionManager::WithoutExpired(ContextPage page) const {
  const std::scoped_lock lock(mutex_);
  std::erase_if(page.records, [this](const ContextRecord& record) {
    return absl::IsNotFound(CheckLocked(record.context_id));
  });
  return page;
}

absl::StatusOr<std::vector<StoredContext>> RetentionManager::Inventory() const {
  return store_.Inventory();
}

// Was it there, and is it deleted now?
absl::StatusOr<bool> RetentionManager::RemoveIfExpired(
    const std::string& context_id) {
  {
    const std::scoped_lock lock(mutex_);
    const auto entry = entries_.find(context_id);
    if (entry == entries_.end() || !IsExpiredLocked(entry->second))
      return false;
  }
  GIST_RETURN_IF_ERROR(Remove(context_id, Removal::kExpired));
  return true;
}

absl::Status RetentionManager::Delete(std::string_view context_id) {
  const std::scoped_lock writing(writing_);
  const std::string id(context_id);
  GIST_ASSIGN_OR_RETURN(const bool expired, RemoveIfExpired(id));
  if (expired) return NoContext(context_id);
  GIST_RETURN_IF_ERROR(store_.Delete(context_id));
  const std::scoped_lock lock(mutex_);
  RemoveLocked(id);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RetentionManager::EraseDeleted() {
  return store_.EraseDeleted();
}

absl::Status RetentionManager::CopyTo(const std::string& folder) {
  return store_.CopyTo(folder);
}

}  // namespace gist
