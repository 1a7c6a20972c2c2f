// Tokens as tests read them, and against a reference's as tests/data keeps
// them.
#pragma once

#include <array>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "core/text/sentence_tokenizer.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"

namespace gist {

inline std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream file("tests/data/" + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// As hashes.txt has it.
inline std::string Summary(const std::vector<SentenceToken>& tokens) {
  uint32_t hash = 0x811C9DC5;
  for (const SentenceToken& token : tokens) {
    const std::array<uint32_t, 3> numbers = {uint32_t(token.id), token.begin,
                                             token.end};
    std::array<unsigned char, sizeof(numbers)> bytes;
    std::memcpy(bytes.data(), numbers.data(), sizeof(numbers));
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x01000193;
  }
  return fmt::format("{} {:08x}", tokens.size(), hash);
}

// "id:begin-end" for each token, + in front where it does not start a word.
inline std::vector<std::string> ShowTokens(const SentenceTokenizer& tokenizer,
                                           std::string_view text) {
  const auto tokens = tokenizer.Encode(text);
  EXPECT_THAT(tokens, IsOk());
  std::vector<std::string> shown;
  for (const SentenceToken& token : *tokens) {
    shown.push_back(fmt::format("{}{}:{}-{}", token.starts_word ? "" : "+",
                                token.id, token.begin, token.end));
  }
  return shown;
}

// `lines`: JSON strings; `wanted`: the summary of each; with begins in place of
// ends if `of_begins`; with zeros for both where "ids" stands behind it.
inline void ExpectTokens(const SentenceTokenizer& tokenizer,
                         std::span<const std::string> lines,
                         std::span<const std::string> wanted,
                         bool of_begins = false) {
  ASSERT_EQ(lines.size(), wanted.size());
  size_t unequal = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool is_of_ids = wanted[i].ends_with(" ids");
    const nlohmann::json line = nlohmann::json::parse(lines[i]);
    const std::string text = line;
    auto tokens = tokenizer.Encode(text);
    ASSERT_THAT(tokens, IsOk());
    for (SentenceToken& token : *tokens) {
      ASSERT_LT(token.begin, token.end) << "line " << i + 1;
      if (is_of_ids) token.begin = 0;
      if (is_of_ids || of_begins) token.end = token.begin;
    }
    if (Summary(*tokens) + (is_of_ids ? " ids" : "") == wanted[i]) continue;
    if (++unequal <= 20) {
      ADD_FAILURE() << "line " << i + 1 << ", want " << wanted[i] << ": "
                    << line.dump(-1, ' ', true) << "\n"
                    << testing::PrintToString(ShowTokens(tokenizer, text));
    }
  }
  EXPECT_EQ(unequal, 0) << "of " << lines.size();
}

}  // namespace gist
