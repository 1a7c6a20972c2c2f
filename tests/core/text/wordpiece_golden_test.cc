// all-MiniLM-L6-v2's own vocabulary against the reference's ids and offsets
// (tests/reference/make_wordpiece_golden.py).
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/text/sentence_tokenizer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/embed/token_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr char kModel[] = "third_party/models/all-MiniLM-L6-v2";

TEST(WordPieceGoldenTest, EqualsTheReferenceTokenByToken) {
  const auto tokenizer = SentenceTokenizer::Load(kModel);
  ASSERT_THAT(tokenizer, IsOk());
  std::vector<std::string> lines = ReadLines("tokenizer/lines.jsonl");
  for (std::string& line : ReadLines("wordpiece/lines.jsonl")) {
    lines.push_back(std::move(line));
  }
  const std::vector<std::string> wanted = ReadLines("wordpiece/hashes.txt");
  ASSERT_GE(lines.size(), 15'000);
  ExpectTokens(**tokenizer, lines, wanted);
}

TEST(WordPieceGoldenTest, BothVocabularyFilesSayTheSame) {
  const auto from_json = SentenceTokenizer::Load(kModel);
  ASSERT_THAT(from_json, IsOk());
  const TempDir folder;
  std::ofstream(folder / "vocab.txt", std::ios::binary)
      << std::ifstream(std::string(kModel) + "/vocab.txt", std::ios::binary)
             .rdbuf();
  const auto from_lines = SentenceTokenizer::Load(folder.path());
  ASSERT_THAT(from_lines, IsOk());
  EXPECT_EQ((*from_lines)->vocab_size(), 30522);
  EXPECT_EQ((*from_json)->vocab_size(), 30522);
  EXPECT_EQ((*from_json)->first_id(), 101);
  EXPECT_EQ((*from_json)->last_id(), 102);
  for (const std::string& line : ReadLines("wordpiece/lines.jsonl")) {
    const std::string text = nlohmann::json::parse(line);
    ASSERT_EQ(ShowTokens(**from_json, text), ShowTokens(**from_lines, text));
  }
}

}  // namespace
}  // namespace gist
