// The words of all documents of a tenant, chunk by chunk.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/embed/bm25.h"

namespace gist {

// A chunk that shares words with a question.
struct WordMatch {
  std::string_view document_id;  // the index's own
  size_t chunk = 0;              // which of the document's
  double bm25 = 0;
};

// In memory alone: made from the texts anew after a restart. One user at a
// time.
class TenantWords {
 public:
  bool Holds(std::string_view document_id) const {
    return documents_.contains(document_id);
  }
  // `chunks`: their texts. The document is not there yet.
  void Add(const std::string& document_id,
           std::span<const std::string_view> chunks);
  bool Remove(std::string_view document_id);  // false: it is not there
  // The best first.
  std::vector<WordMatch> Search(std::string_view question) const;
  int64_t memory_bytes() const;

 private:
  struct Document {
    uint64_t first_label = 0;  // of its chunks, one after the other
    size_t chunks = 0;
  };
  using Documents = std::map<std::string, Document, std::less<>>;

  Bm25Index index_;
  Documents documents_;
  std::map<uint64_t, std::string_view> by_label_;  // first labels
  uint64_t next_label_ = 0;
};

}  // namespace gist
