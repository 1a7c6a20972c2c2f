#include "server/tenant_words.h"

#include <iterator>

namespace gist {

void TenantWords::Add(const std::string& document_id,
                      std::span<const std::string_view> chunks) {
  const auto entry =
      documents_
          .emplace(document_id, Document{.first_label = next_label_,
                                         .chunks = chunks.size()})
          .first;
  if (!chunks.empty()) by_label_.emplace(next_label_, entry->first);
  for (const std::string_view text : chunks) index_.Add(next_label_++, text);
}

bool TenantWords::Remove(std::string_view document_id) {
  const auto found = documents_.find(document_id);
  if (found == documents_.end()) return false;
  const auto [first, chunks] = found->second;
  for (size_t i = 0; i < chunks; ++i) index_.Remove(first + i);
  if (chunks > 0) by_label_.erase(first);
  documents_.erase(found);
  return true;
}

std::vector<WordMatch> TenantWords::Search(std::string_view question) const {
  std::vector<WordMatch> found;
  for (const auto& [label, score] : index_.Search(question)) {
    const auto& [first, id] = *std::prev(by_label_.upper_bound(label));
    found.push_back({id, size_t(label - first), score});
  }
  return found;
}

int64_t TenantWords::memory_bytes() const {
  constexpr int64_t kDocumentBytes = 300;
  return index_.memory_bytes() + std::ssize(documents_) * kDocumentBytes;
}

}  // namespace gist
