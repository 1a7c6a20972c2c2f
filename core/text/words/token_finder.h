// Tokens that stand in a text as they are written, before it is cut into words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gist {

struct FoundToken {
  int32_t id = 0;
  // White space on that side is part of it.
  bool strip_left = false, strip_right = false;
};

// A part of a text: a token, or (id < 0) what is between two.
struct TokenOrText {
  size_t begin = 0, end = 0;  // bytes
  int32_t id = -1;
};

// Filled once, then immutable and thread-safe.
class TokenFinder {
 public:
  // An empty `content` is never found.
  void Add(std::string_view content, const FoundToken& token);

  // The parts of `text`, valid UTF-8, in order. Of tokens that begin at
  // one byte the longest counts.
  std::vector<TokenOrText> Split(std::string_view text) const;

 private:
  struct Entry {
    std::string content;
    FoundToken token;
  };
  const Entry* LongestAt(std::string_view text, size_t at) const;

  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
};

}  // namespace gist
