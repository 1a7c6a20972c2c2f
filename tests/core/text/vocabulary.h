// Hand-made vocabularies for tests and fuzzers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/tokenizer.h"
#include "fmt/format.h"

namespace gist {

// `bytes` in GPT-2's printable alphabet, found as its authors did: the
// printable characters of Latin-1 first, then U+0100 and on for the rest.
inline std::string Printable(std::string_view bytes) {
  std::string written;
  for (const char c : bytes) {
    const int byte = static_cast<unsigned char>(c);
    int character = byte;
    if (byte <= 0x20) character = 0x100 + byte;
    if (byte >= 0x7F && byte <= 0xA0) character = 0x121 + byte - 0x7F;
    if (byte == 0xAD) character = 0x143;
    if (character < 0x80) {
      written.push_back(static_cast<char>(character));
    } else {
      written.push_back(static_cast<char>(0xC0 | character >> 6));
      written.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
  return written;
}

// Ids 0 to 2 are <|endoftext|>, <|im_start|>, <|im_end|>; 3 + b is the byte b;
// then one token for each of `merges`, pairs of plain text.
inline TokenizerSpec ByteVocabulary(
    std::string_view pre_tokenizer,
    const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  TokenizerSpec spec;
  spec.pre_tokenizer = pre_tokenizer;
  spec.tokens = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  spec.token_types = {3, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(Printable(std::string(1, static_cast<char>(byte))));
  }
  for (const auto& [left, right] : merges) {
    spec.tokens.push_back(Printable(left + right));
    spec.merges.push_back(
        fmt::format("{} {}", Printable(left), Printable(right)));
  }
  spec.token_types.resize(spec.tokens.size(), 1);
  return spec;
}

}  // namespace gist
