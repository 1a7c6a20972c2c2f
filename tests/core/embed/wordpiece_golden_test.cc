// all-MiniLM-L6-v2's own vocabulary against the reference's ids and offsets
// (tests/reference/make_wordpiece_golden.py).
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/embed/wordpiece.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr char kModel[] = "third_party/models/all-MiniLM-L6-v2";

std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream file("tests/data/" + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// As hashes.txt has it.
std::string Summary(const std::vector<WordPieceToken>& tokens) {
  uint32_t hash = 0x811C9DC5;
  for (const WordPieceToken& token : tokens) {
    const std::array<uint32_t, 3> numbers = {uint32_t(token.id), token.begin,
                                             token.end};
    std::array<unsigned char, sizeof(numbers)> bytes;
    std::memcpy(bytes.data(), numbers.data(), sizeof(numbers));
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x01000193;
  }
  return fmt::format("{} {:08x}", tokens.size(), hash);
}

std::string Show(const std::vector<WordPieceToken>& tokens) {
  std::string text;
  for (const WordPieceToken& token : tokens) {
    text += fmt::format("[{}, {}, {}] ", token.id, token.begin, token.end);
  }
  return text;
}

TEST(WordPieceGoldenTest, EqualsTheReferenceTokenByToken) {
  const auto tokenizer = WordPiece::Load(kModel);
  ASSERT_THAT(tokenizer, IsOk());
  std::vector<std::string> lines = ReadLines("tokenizer/lines.jsonl");
  for (std::string& line : ReadLines("wordpiece/lines.jsonl")) {
    lines.push_back(std::move(line));
  }
  const std::vector<std::string> wanted = ReadLines("wordpiece/hashes.txt");
  ASSERT_GE(lines.size(), 15'000);
  ASSERT_EQ(lines.size(), wanted.size());
  size_t unequal = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto tokens =
        (*tokenizer)
            ->Encode(nlohmann::json::parse(lines[i]).get<std::string>());
    ASSERT_THAT(tokens, IsOk());
    if (Summary(*tokens) == wanted[i]) continue;
    if (++unequal <= 20) {
      ADD_FAILURE() << "line " << i + 1 << ", want " << wanted[i] << ": "
                    << nlohmann::json::parse(lines[i]).dump(-1, ' ', true)
                    << "\n"
                    << Show(*tokens);
    }
  }
  EXPECT_EQ(unequal, 0) << "of " << lines.size();
}

TEST(WordPieceGoldenTest, BothVocabularyFilesSayTheSame) {
  const auto from_json = WordPiece::Load(kModel);
  ASSERT_THAT(from_json, IsOk());
  const TempDir folder;
  std::ofstream(folder / "vocab.txt", std::ios::binary)
      << std::ifstream(std::string(kModel) + "/vocab.txt", std::ios::binary)
             .rdbuf();
  const auto from_lines = WordPiece::Load(folder.path());
  ASSERT_THAT(from_lines, IsOk());
  EXPECT_EQ((*from_lines)->vocab_size(), 30522);
  EXPECT_EQ((*from_json)->vocab_size(), 30522);
  EXPECT_EQ((*from_json)->cls_id(), 101);
  EXPECT_EQ((*from_json)->sep_id(), 102);
  for (const std::string& line : ReadLines("wordpiece/lines.jsonl")) {
    const std::string text = nlohmann::json::parse(line);
    ASSERT_EQ(Show(*(*from_json)->Encode(text)),
              Show(*(*from_lines)->Encode(text)));
  }
}

}  // namespace
}  // namespace gist
