#include "server/sequence_cache.h"

#include <algorithm>
#include <utility>

namespace gist {

std::unique_ptr<Sequence> SequenceCache::Remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  std::unique_ptr<Sequence> sequence = std::move(entry->sequence);
  entries_.erase(entry);
  return sequence;
}

std::unique_ptr<Sequence> SequenceCache::Take(std::string_view owner,
                                              std::span<const int32_t> tokens) {
  const std::scoped_lock lock(mutex_);
  std::unique_ptr<Sequence> sequence = Find(owner, tokens);
  ++(sequence != nullptr ? hits_ : misses_);
  return sequence;
}

std::unique_ptr<Sequence> SequenceCache::Find(std::string_view owner,
                                              std::span<const int32_t> tokens) {
  const auto entry =
      std::ranges::find_if(entries_, [&](const Entry& candidate) {
        return candidate.text.owner == owner &&
               std::ranges::equal(candidate.text.tokens, tokens);
      });
  return entry == entries_.end() ? nullptr : Remove(entry);
}

void SequenceCache::Put(CachedText text, std::unique_ptr<Sequence> sequence) {
  const int64_t bytes = sequence->kv_bytes();
  const std::scoped_lock lock(mutex_);
  Find(text.owner, text.tokens);
  if (bytes > max_bytes_) return;
  while (bytes_ + bytes > max_bytes_) Remove(std::prev(entries_.end()));
  bytes_ += bytes;
  entries_.push_front({std::move(text), std::move(sequence), bytes});
}

void SequenceCache::Forget(std::string_view document_id) {
  const std::scoped_lock lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    const auto& ids = current->text.document_ids;
    if (std::ranges::find(ids, document_id) != ids.end()) Remove(current);
  }
}

void SequenceCache::Clear() {
  const std::scoped_lock lock(mutex_);
  while (!entries_.empty()) Remove(entries_.begin());
}

int64_t SequenceCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace gist
