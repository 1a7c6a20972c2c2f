// KV caches of recent texts, for reuse by the next question about the same text
// or by a compression of it into another number of gists.
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
#include <variant>
#include <vector>

#include "core/engine/engine.h"

namespace gist {

// The text behind the shared prefix in a sequence, and its owner.
struct CachedText {
  // Tenant and "/"; for a document also the adapter's fingerprint.
  std::string owner;
  std::vector<int32_t> tokens;
  std::vector<std::string> document_ids;  // documents that the text comes from
  // KvCachePool::Now() at the start of the prefill. Forget also drops sequences
  // of that document whose prefill began before it.
  uint64_t begun = UINT64_MAX;
};

using CachedSequence = std::variant<std::unique_ptr<DocumentSequence>,
                                    std::unique_ptr<PromptSequence>>;

// A least-recently-used cache, bounded by the sequences' kv_bytes(). Sequences
// are leased, never shared: Take removes one, and its user puts it back.
// Lookup is linear in the number of entries. Thread-safe.
class KvCachePool {
 public:
  explicit KvCachePool(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Null without an entry of this owner, text and type.
  std::unique_ptr<DocumentSequence> TakeDocument(
      std::string_view owner, std::span<const int32_t> tokens);
  std::unique_ptr<PromptSequence> TakePrompt(std::string_view owner,
                                             std::span<const int32_t> tokens);
  // Replaces the entry of the same owner, text and type. A sequence larger than
  // the bound is dropped.
  void Put(CachedText text, CachedSequence sequence);
  // Drops sequences of this document, leased ones at their Put.
  void Forget(std::string_view document_id);
  // Drops all entries.
  void Clear();
  // Number of Forget calls so far.
  uint64_t Now() const;
  int64_t bytes() const;
  int64_t max_bytes() const { return max_bytes_; }
  // Take calls that found an entry, and those that found none.
  int64_t hits() const { return hits_; }
  int64_t misses() const { return misses_; }

 private:
  struct Entry {
    CachedText text;
    CachedSequence sequence;
    int64_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  template <typename Sequence>
  std::unique_ptr<Sequence> Take(std::string_view owner,
                                 std::span<const int32_t> tokens);

  // These require mutex_. `type`: index in CachedSequence.
  Entries::iterator Find(std::string_view owner,
                         std::span<const int32_t> tokens, size_t type);
  CachedSequence Remove(Entries::iterator entry);
  bool IsForgotten(const CachedText& text) const;

  const int64_t max_bytes_;
  std::atomic<int64_t> hits_{0}, misses_{0};
  mutable std::mutex mutex_;  // guards the members below
  int64_t bytes_ = 0;
  Entries entries_;  // most recently used first
  uint64_t now_ = 0;
  std::unordered_map<std::string, uint64_t> forgotten_;  // time by document
  // All documents count as forgotten at this time.
  uint64_t forgotten_all_ = 0;
};

}  // namespace gist
