// How long contexts stay: expiry, pins, quotas, eviction. A store in front of
// the store, which keeps the books in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/support/wall_clock.h"
#include "storage/gist_store.h"

namespace gist {

struct RetentionLimits {
  // Of keys and values, texts before compression and chunk indexes; RocksDB's
  // own share, what is deleted but not erased and the tenants' indexes, none
  // larger than its documents' chunk indexes, come on top. 0: no bound.
  int64_t max_store_bytes = 0;
  int64_t max_contexts = 0;  // 0: no bound
};

// What happened to a context that nobody deleted by hand.
enum class Removal { kExpired, kEvicted };
struct RemovedContext {
  Removal why = Removal::kExpired;
  std::string context_id;
  std::string document_id;
  bool document_gone = false;  // it was the document's last context
};

// Expired contexts are kNotFound from their moment on; Sweep deletes them.
//
// Put makes room under the limits: of the contexts that are not pinned and are
// not of the same document, those go first whose last use lies furthest back;
// of those last used in the same minute, the larger first. A use is a question
// asked, a Put, or a compression that found it there. If what is left is pinned
// or too large all the same, Put refuses with kResourceExhausted and deletes
// nothing.
//
// Thread-safe. Last uses are written by Sweep: a crash makes contexts look as
// old as at the sweep before.
class RetentionManager final : public GistStore {
 public:
  using RemovedSink = std::function<void(const RemovedContext&)>;

  // Reads every record once. Both outlive the keeper.
  static absl::StatusOr<std::unique_ptr<RetentionManager>> Open(
      GistStore& store, RetentionLimits limits, const WallClock& clock);

  // Called for what expires or is evicted from now on, on the thread that
  // deletes it. The sink calls no method of the keeper.
  void OnRemoved(RemovedSink sink);

  // Deletes what has expired and writes down last uses. The first error; the
  // rest is done all the same.
  absl::Status Sweep();

  // Expired ones that were not swept are counted.
  StoreUsage usage() const override;

  using GistStore::Put;
  absl::Status Put(const ContextRecord& record, std::string_view text,
                   std::span<const CompressedKv> kv,
                   const Retention& retention) override;
  absl::Status CheckRoom(const ContextRecord& record,
                         int64_t text_bytes) const override;
  absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const override;
  absl::StatusOr<StoredContext> Find(
      std::string_view context_id) const override;
  absl::Status SetRetention(std::string_view context_id,
                            const Retention& retention) override;
  void NoteUse(std::string_view context_id) override;
  absl::Status WriteUses(std::span<const ContextUse> uses) override;
  absl::StatusOr<CompressedKv> GetKv(
      const ContextRecord& record,
      const Representation& representation) const override;
  absl::StatusOr<std::string> GetText(
      std::string_view document_id) const override;
  absl::StatusOr<bool> HasText(std::string_view document_id) const override;
  // kResourceExhausted: no room for it, whatever is evicted.
  absl::Status PutChunkIndex(std::string_view document_id,
                             std::string_view bytes) override;
  absl::StatusOr<std::string> GetChunkIndex(
      std::string_view document_id) const override;
  absl::StatusOr<std::vector<TenantDocument>> TenantDocuments(
      std::string_view tenant) const override;
  absl::Status PutTenantIndex(std::string_view tenant,
                              std::span<const std::string> document_ids,
                              std::string_view bytes) override;
  absl::StatusOr<std::string> GetTenantIndex(
      std::string_view tenant) const override;
  absl::StatusOr<ContextPage> List(int page_size,
                                   std::string_view page_token) const override;
  absl::StatusOr<ContextPage> ListOf(
      std::string_view tenant, int page_size,
      std::string_view page_token) const override;
  absl::StatusOr<std::vector<StoredContext>> Inventory() const override;
  absl::Status Delete(std::string_view context_id) override;
  absl::StatusOr<int64_t> EraseDeleted() override;
  absl::Status CopyTo(const std::string& folder) override;

 private:
  struct Entry {
    std::string document_id;
    std::string tenant;
    int64_t document_tokens = 0;
    std::map<std::string, int64_t> kv_bytes;  // by RepresentationKey
    int64_t used_unix_ms = 0;
    bool use_is_written = true;
    Retention retention;
    absl::Status status;  // as StoredContext's

    int64_t KvBytes() const;
  };
  struct Document {
    int contexts = 0;
    int64_t text_bytes = 0;
    int64_t index_bytes = 0;
  };
  // What is to come in: its own id and document are not evicted for it.
  struct Incoming {
    std::string context_id;  // empty: a chunk index
    std::string document_id;
    int64_t bytes = 0;  // beyond what is there of it
    int contexts = 0;   // 1: a new one
  };
  using Entries = std::unordered_map<std::string, Entry>;

  RetentionManager(GistStore& store, RetentionLimits limits,
                   const WallClock& clock)
      : store_(store), limits_(limits), clock_(clock) {}

  // All below want mutex_.
  void AddLocked(const StoredContext& context);
  // Was it the document's last context?
  bool RemoveLocked(const std::string& context_id);
  Incoming IncomingLocked(const ContextRecord& record,
                          int64_t text_bytes) const;
  std::map<std::string, int64_t> BytesAfterPutLocked(
      const ContextRecord& record) const;
  bool FitsLocked(int64_t bytes, int64_t contexts) const;
  absl::StatusOr<std::vector<std::string>> VictimsLocked(
      const Incoming& incoming) const;
  bool IsExpiredLocked(const Entry& entry) const;
  StoredContext DescribeLocked(const std::string& context_id,
                               const Entry& entry) const;
  ContextPage WithoutExpired(ContextPage page) const;  // takes mutex_
  absl::Status CheckLocked(std::string_view context_id) const;
  std::vector<ContextUse> TakeUnwrittenUsesLocked();

  // All below want writing_.
  absl::Status MakeRoom(const Incoming& incoming);
  absl::Status Remove(const std::string& context_id, Removal why);
  absl::StatusOr<bool> RemoveIfExpired(const std::string& context_id);

  GistStore& store_;
  const RetentionLimits limits_;
  const WallClock& clock_;
  std::mutex writing_;  // one change at a time; taken before mutex_
  RemovedSink on_removed_;

  mutable std::mutex mutex_;  // guards all below; held for no read or write
  Entries entries_;           // by context id
  std::unordered_map<std::string, Document> documents_;
  int64_t bytes_ = 0;
};

}  // namespace gist
