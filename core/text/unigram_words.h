// Text as a Unigram model reads it: normalized, and split into words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/charsmap.h"
#include "core/text/unigram.h"

namespace gist {

// Stands for the space in front of a word (U+2581).
inline constexpr std::string_view kWordMark = "\u2581";

// A normalized character of a word: where it ends there, and the bytes of the
// text that it stands for. A mark that is not in the text stands for what the
// next character does.
struct UnigramChar {
  uint32_t word_end = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Reads one word after the other. Equal to `tokenizers`' Precompiled, which
// maps grapheme clusters, then characters, and its Metaspace.
class UnigramWordReader {
 public:
  // Borrows all; `text`: valid UTF-8 of less than 2^32 bytes.
  UnigramWordReader(std::string_view text, const Charsmap& charsmap,
                    UnigramWords words);

  // False at the end of the text; else word() is the next one.
  bool Next();
  // Not empty. Valid until Next().
  const std::string& word() const { return word_; }
  const std::vector<UnigramChar>& chars() const { return chars_; }

 private:
  // A normalized character of the text.
  struct Char {
    std::string_view bytes;
    uint32_t begin = 0, end = 0;
  };

  bool Peek();  // false at the end; else queue_[queue_at_] is the next one
  void ReadGrapheme();
  void AppendChars(std::string_view mapped, size_t begin, size_t end);
  void DropSpaceAtEnd();
  bool IsSeparator(const Char& c) const;
  void Push(const Char& c);

  std::string_view text_;
  const Charsmap& charsmap_;
  const UnigramWords words_;
  size_t at_ = 0;            // bytes read
  std::vector<Char> queue_;  // of the grapheme cluster that was read last
  size_t queue_at_ = 0;
  std::string word_;
  std::vector<UnigramChar> chars_;
};

}  // namespace gist
