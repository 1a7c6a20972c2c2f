// Keys and values of texts that were read lately, so that the next question
// about the same text, or its gists in another number, need not read it again.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/engine/engine.h"

namespace gist {

// What a sequence holds behind the shared prefix, and who may find it there.
struct CachedText {
  // Tenant and "/", and of a document its adapter's fingerprint behind it.
  std::string owner;
  std::vector<int32_t> tokens;
  std::vector<std::string> document_ids;  // of the texts it was read from
  // KvCachePool::Now() when the reading began: a document that was forgotten
  // since does not come back.
  uint64_t begun = UINT64_MAX;
};

// Least recently used first out. A sequence is lent, never shared: Take removes
// it, and whoever took it puts it back. Bounded by what the sequences hold in
// memory. Thread-safe.
class KvCachePool {
 public:
  explicit KvCachePool(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Null: not here.
  std::unique_ptr<Sequence> Take(std::string_view owner,
                                 std::span<const int32_t> tokens);
  // In place of one of the same owner and tokens. One that is larger than the
  // bound is dropped.
  void Put(CachedText text, std::unique_ptr<Sequence> sequence);
  // Drops what was read from this document, also what is lent now.
  void Forget(std::string_view document_id);
  // Drops all.
  void Clear();
  // Counts what was forgotten.
  uint64_t Now() const;
  int64_t bytes() const;
  int64_t max_bytes() const { return max_bytes_; }
  // Calls of Take so far that found something, and that did not.
  int64_t hits() const { return hits_; }
  int64_t misses() const { return misses_; }

 private:
  struct Entry {
    CachedText text;
    std::unique_ptr<Sequence> sequence;
    int64_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  // Want mutex_.
  std::unique_ptr<Sequence> Find(std::string_view owner,
                                 std::span<const int32_t> tokens);
  std::unique_ptr<Sequence> Remove(Entries::iterator entry);
  bool IsForgotten(const CachedText& text) const;

  const int64_t max_bytes_;
  std::atomic<int64_t> hits_{0}, misses_{0};
  mutable std::mutex mutex_;  // guards all below
  int64_t bytes_ = 0;
  Entries entries_;  // the latest first
  uint64_t now_ = 0;
  std::unordered_map<std::string, uint64_t> forgotten_;  // when, by document
  uint64_t forgotten_all_ =
      0;  // up to then, every document counts as forgotten
};

}  // namespace gist
