// Which passages are near a question, and those that retrieval found as the
// text that a model reads.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gist {

// Bytes [begin, begin + text.size()) of a document.
struct Passage {
  int document = 0;
  size_t begin = 0;
  std::string_view text;
};

// Between two texts that do not follow each other.
inline constexpr std::string_view kBetweenTexts = "\n\n";

// The passages as they stand in the documents, in order, those that overlap as
// one.
std::string JoinPassages(std::vector<Passage> passages);

// Indices of the rows of `rows` [n, query.size()], the largest inner product
// with `query` first; of equal ones the first row. Looks at all of them.
std::vector<size_t> BySimilarity(std::span<const float> query,
                                 std::span<const float> rows);

}  // namespace gist
