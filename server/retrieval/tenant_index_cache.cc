#include "server/retrieval/tenant_index_cache.h"

#include <algorithm>

#include "core/base/status.h"
#include "server/support/errors.h"

namespace gist {

TenantIndexCache::Entries::iterator TenantIndexCache::Find(
    std::string_view tenant) {
  return std::ranges::find(entries_, tenant, &Entry::tenant);
}

int64_t TenantIndexCache::BytesLocked() const {
  int64_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.bytes;
  return bytes;
}

int64_t TenantIndexCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return BytesLocked();
}

// Is there room for `bytes` more, once those that nobody uses are gone?
bool TenantIndexCache::MakeRoomLocked(int64_t bytes) {
  for (auto entry = entries_.end();
       BytesLocked() + bytes > max_bytes_ && entry != entries_.begin();) {
    --entry;
    if (entry->index != nullptr) entry = entries_.erase(entry);
  }
  return BytesLocked() + bytes <= max_bytes_;
}

TenantIndexCache::Lease TenantIndexCache::Take(const std::string& tenant) {
  const std::scoped_lock lock(mutex_);
  auto entry = Find(tenant);
  if (entry == entries_.end()) {
    entries_.push_front({.tenant = tenant, .index = {}, .forgotten = {}});
    entry = entries_.begin();
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return Lease(*this, tenant, std::move(entry->index));
}

absl::Status TenantIndexCache::Reserve(const std::string& tenant,
                                       int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  const auto entry = Find(tenant);
  if (bytes <= entry->bytes) return absl::OkStatus();
  if (MakeRoomLocked(bytes - entry->bytes)) {
    entry->bytes = bytes;
    return absl::OkStatus();
  }
  if (bytes <= max_bytes_) {
    return Error(Reason::kOutOfMemory,
                 fmt::format("the index over all documents takes {} bytes of "
                             "memory, and other questions over all documents "
                             "use what the limit of {} leaves; try again",
                             bytes, max_bytes_));
  }
  return Error(
      Reason::kStoreFull,
      fmt::format("the index over all documents takes {} bytes of memory, the "
                  "limit is {}; name the contexts to ask, delete some, or "
                  "start gistd with more --max-index-bytes",
                  bytes, max_bytes_));
}

void TenantIndexCache::Return(const std::string& tenant,
                              std::unique_ptr<TenantIndexes> index) {
  const std::scoped_lock lock(mutex_);
  const auto entry = Find(tenant);
  if (index == nullptr) {
    entries_.erase(entry);
    return;
  }
  for (const std::string& id : entry->forgotten) index->Remove(id);
  entry->forgotten.clear();
  entry->bytes = index->memory_bytes();
  entry->index = std::move(index);
  MakeRoomLocked(0);
}

void TenantIndexCache::Forget(std::string_view document_id) {
  const std::scoped_lock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.index != nullptr) {
      entry.index->Remove(document_id);
    } else {
      entry.forgotten.emplace_back(document_id);
    }
  }
}

}  // namespace gist
