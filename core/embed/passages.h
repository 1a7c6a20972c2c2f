// The passages that retrieval found, as the text that a model reads.
#pragma once

#include <cstddef>
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

}  // namespace gist
