#include "server/scheduling/kv_cache_pool.h"

#include <algorithm>
#include <utility>

namespace gist {
namespace {

constexpr size_t kMostForgotten = 4096;  // documents, by name

}  // namespace

CachedSequence KvCachePool::Remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  CachedSequence sequence = std::move(entry->sequence);
  entries_.erase(entry);
  return sequence;
}

KvCachePool::Entries::iterator KvCachePool::Find(
    std::string_view owner, std::span<const int32_t> tokens, size_t type) {
  return std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.sequence.index() == type && entry.text.owner == owner &&
           std::ranges::equal(entry.text.tokens, tokens);
  });
}

template <typename Sequence>
std::unique_ptr<Sequence> KvCachePool::Take(std::string_view owner,
                                            std::span<const int32_t> tokens) {
  using Pointer = std::unique_ptr<Sequence>;
  const size_t type = CachedSequence(Pointer()).index();
  const std::scoped_lock lock(mutex_);
  const auto entry = Find(owner, tokens, type);
  if (entry == entries_.end()) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  return std::get<Pointer>(Remove(entry));
}

std::unique_ptr<DocumentSequence> KvCachePool::TakeDocument(
    std::string_view owner, std::span<const int32_t> tokens) {
  return Take<DocumentSequence>(owner, tokens);
}

std::unique_ptr<PromptSequence> KvCachePool::TakePrompt(
    std::string_view owner, std::span<const int32_t> tokens) {
  return Take<PromptSequence>(owner, tokens);
}

void KvCachePool::Put(CachedText text, CachedSequence sequence) {
  const int64_t bytes =
      std::visit([](const auto& held) { return held->kv_bytes(); }, sequence);
  const std::scoped_lock lock(mutex_);
  const auto same = Find(text.owner, text.tokens, sequence.index());
  if (same != entries_.end()) Remove(same);
  if (bytes > max_bytes_ || IsForgotten(text)) return;
  while (bytes_ + bytes > max_bytes_) Remove(std::prev(entries_.end()));
  bytes_ += bytes;
  entries_.push_front({std::move(text), std::move(sequence), bytes});
}

bool KvCachePool::IsForgotten(const CachedText& text) const {
  if (text.begun < forgotten_all_) return true;
  return std::ranges::any_of(
      text.document_ids, [&](const std::string& document_id) {
        const auto when = forgotten_.find(document_id);
        return when != forgotten_.end() && text.begun < when->second;
      });
}

uint64_t KvCachePool::Now() const {
  const std::scoped_lock lock(mutex_);
  return now_;
}

void KvCachePool::Forget(std::string_view document_id) {
  const std::scoped_lock lock(mutex_);
  ++now_;
  if (forgotten_.size() >= kMostForgotten) {
    forgotten_.clear();
    forgotten_all_ = now_;
  }
  forgotten_[std::string(document_id)] = now_;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    const auto& ids = current->text.document_ids;
    if (std::ranges::find(ids, document_id) != ids.end()) Remove(current);
  }
}

void KvCachePool::Clear() {
  const std::scoped_lock lock(mutex_);
  while (!entries_.empty()) Remove(entries_.begin());
}

int64_t KvCachePool::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace gist
