// The indexes over all documents of a tenant that are in memory.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/retrieval/bm25.h"
#include "core/retrieval/tenant_index.h"

namespace gist {

// How a tenant's chunks are found: by what they mean, and by their words.
struct TenantIndexes {
  TenantIndex vectors;
  Bm25Index words = {};  // by the same labels; in memory alone

  void Remove(std::string_view document_id) {
    for (const auto& [label, chunk] : vectors.ChunksOf(document_id))
      words.Remove(label);
    vectors.Remove(document_id);
  }
  // After `more` chunks, their words apart.
  int64_t memory_bytes(int64_t more = 0) const {
    return vectors.memory_bytes(more) + words.memory_bytes();
  }
};

// Least recently used first out. An index is lent, never shared: whoever takes
// it sees to it that nobody else asks for the same tenant's meanwhile. Bounded
// by what the indexes take in memory, those that are lent included.
// Thread-safe.
class TenantIndexCache {
 public:
  // Gives the index back when it goes.
  class Lease {
   public:
    Lease(TenantIndexCache& cache, std::string tenant,
          std::unique_ptr<TenantIndexes> its_index)
        : index(std::move(its_index)),
          cache_(cache),
          tenant_(std::move(tenant)) {}
    ~Lease() { cache_.Return(tenant_, std::move(index)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    // To be asked before the index takes so much: others make way.
    // kResourceExhausted: that is not enough.
    absl::Status Reserve(int64_t bytes) {
      return cache_.Reserve(tenant_, bytes);
    }

    std::unique_ptr<TenantIndexes> index;  // null: not in memory

   private:
    TenantIndexCache& cache_;
    const std::string tenant_;
  };

  explicit TenantIndexCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  Lease Take(const std::string& tenant);
  // Overwrites what an index has of this document; of one that is lent, when it
  // comes back.
  void Forget(std::string_view document_id);
  int64_t bytes() const;
  int64_t max_bytes() const { return max_bytes_; }

 private:
  struct Entry {
    std::string tenant;
    std::unique_ptr<TenantIndexes> index;  // null: lent
    int64_t bytes = 0;                     // that it takes, or may grow to
    std::vector<std::string> forgotten;    // documents, while it is lent
  };
  using Entries = std::list<Entry>;

  absl::Status Reserve(const std::string& tenant, int64_t bytes);
  void Return(const std::string& tenant, std::unique_ptr<TenantIndexes> index);
  // Want mutex_.
  Entries::iterator Find(std::string_view tenant);
  int64_t BytesLocked() const;
  bool MakeRoomLocked(int64_t bytes);

  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  Entries entries_;  // the latest first
};

}  // namespace gist
