// Text as BERT reads it: normalized, and split into words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gist {

// A normalized character, and the bytes of the text that it stands for: one
// character there, shared by all that it decomposes into. Marks that canonical
// order moves take the places, not the bytes, of those they pass.
struct BertChar {
  char32_t code_point = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  bool shares = false;  // a decomposition's second character or later
};

// Reads one word after the other. Equal to `tokenizers`' BertNormalizer (clean
// text, spaces around ideographs, no accents, lower case) and BertPreTokenizer.
// Source: BasicTokenizer of github.com/google-research/bert.
class BertWordReader {
 public:
  // Borrows `text`: valid UTF-8 of less than 2^32 bytes.
  explicit BertWordReader(std::string_view text) : text_(text) {}

  // False at the end of the text; else word() is the next one.
  bool Next();
  // Not empty. Valid until Next().
  std::span<const BertChar> word() const { return word_; }

 private:
  void ReadStretch();
  void AppendDecomposed(char32_t code_point, uint32_t begin, uint32_t end);
  void FinishStretch();

  std::string_view text_;
  size_t at_ = 0;                  // bytes read
  std::vector<BertChar> stretch_;  // between spaces: words and punctuation
  size_t stretch_at_ = 0;          // characters of it that were given
  std::span<const BertChar> word_;
};

}  // namespace gist
