#include "server/scheduling/kv_cache_pool.h"

#include <algorithm>
#include <utility>

namespace gist {
namespace {

constexpr size_t kMostForgotten = 4096;  // documents, by name

}  // namespace

std::unique_ptr<Sequence> KvCachePool::Remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  std::unique_ptr<Sequence> sequence = std::move(entry->sequence);
  entries_.erase(entry);
  return sequence;
}

std::unique_ptr<Sequence> KvCachePool::Take(std::string_view owner,
                                            std::span<const int32_t> tokens) {
  const std::scoped_lock lock(mutex_);
  std::unique_ptr<Sequence> sequence = Find(owner, tokens);
  ++(sequence != nullptr ? hits_ : misses_);
  return sequence;
}

std::unique_ptr<Sequence> KvCachePool::Find(std::string_view owner,
                                            std::span<const int32_t> tokens) {
  const auto entry =
      std::ranges::find_if(entries_, [&](const Entry& candidate) {
        return candidate.text.owner == owner &&
               std::ranges::equal(candidate.text.tokens, tokens);
      });
  return entry == entries_.end() ? nullptr : Remove(entry);
}

void KvCachePool::Put(CachedText text, std::unique_ptr<Sequence> sequence) {
  const int64_t bytes = sequence->kv_bytes();
  const std::scoped_lock lock(mutex_);
  Find(text.owner, text.tokens);
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
