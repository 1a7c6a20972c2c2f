// Each kind of tokenizer against the reference's ids
// (tests/reference/make_pre_tokenizers_golden.py), from its tokenizer.json and
// from the same as a GGUF file has it.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/identity.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_files.h"
#include "core/text/words/normalizer.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

std::vector<std::string> ReadLines() {
  std::ifstream file("tests/data/tokenizer/lines.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(Json::parse(line));
  }
  return lines;
}

// In NFD, as the reference made them (the golden has their hashes).
std::vector<std::string> HangulInNfd(const std::vector<std::string>& lines) {
  const auto nfd = Normalizer::Create({{NormalizerStep::Kind::kNfd}});
  std::vector<std::string> apart;
  for (const std::string& line : lines) {
    // U+AC00 to U+D7A3 begin with these bytes.
    const bool hangul = [&] {
      for (size_t i = 0; i + 2 < line.size(); ++i) {
        const std::string_view c = std::string_view(line).substr(i, 3);
        if (c >= "\uAC00" && c <= "\uD7A3") return true;
      }
      return false;
    }();
    if (hangul) apart.push_back(*nfd->Apply(line, true, false));
  }
  return apart;
}

std::vector<std::string> Hashes(const std::vector<std::string>& rows) {
  std::vector<std::string> hashes;
  for (size_t begin = 0; begin < rows.size(); begin += 100) {
    std::string text;
    for (size_t i = begin; i < std::min(begin + 100, rows.size()); ++i) {
      text.append(rows[i]).append("\n");
    }
    hashes.push_back(Sha256Hex(text).substr(0, 16));
  }
  return hashes;
}

TokenizerSpec GgufSpec(const Json& golden, const TokenizerSpec& json) {
  const Json& gguf = golden["gguf"];
  TokenizerSpec spec;
  spec.tokens = json.tokens;
  spec.token_types = json.token_types;
  if (gguf["model"] == "gpt2") {
    spec.pre_tokenizer = gguf["pre"];
    spec.merges = json.merges;
    return spec;
  }
  spec.kind = TokenizerKind::kSentencePiece;
  spec.scores = gguf["scores"].get<std::vector<double>>();
  spec.normalizer = SentencePieceSteps(gguf["add_space_prefix"], false);
  spec.token_types[0] = 2;
  return spec;
}

class PreTokenizersGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    lines_ = ReadLines();
    nfd_ = HangulInNfd(lines_);
  }

  static std::vector<std::string> Rows(const Tokenizer& tokenizer,
                                       const std::vector<std::string>& texts) {
    std::vector<std::string> rows;
    for (const std::string& text : texts) {
      const auto ids = tokenizer.Encode(text);
      rows.push_back(ids.ok() ? fmt::format("{}", fmt::join(*ids, " "))
                              : ids.status().ToString());
    }
    return rows;
  }

  static void ExpectEqual(TokenizerSpec spec, const Json& golden) {
    const auto tokenizer = Tokenizer::Create(std::move(spec));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const auto rows = Rows(**tokenizer, lines_);
    ASSERT_EQ(golden["first"].size(), (rows.size() + 99) / 100);
    for (size_t i = 0; i < golden["first"].size(); ++i) {
      ASSERT_EQ(rows[i * 100], golden["first"][i])
          << "line " << i * 100 + 1 << ": " << Json(lines_[i * 100]);
    }
    EXPECT_EQ(Hashes(rows), golden["hashes"].get<std::vector<std::string>>());
    EXPECT_EQ(Hashes(Rows(**tokenizer, nfd_)),
              golden["nfd"]["hashes"].get<std::vector<std::string>>());
  }

  static inline std::vector<std::string> lines_, nfd_;
};

TEST_P(PreTokenizersGoldenTest, EqualsTheReferenceOnAllLines) {
  std::ifstream file(
      fmt::format("tests/data/pre_tokenizers/{}.json", GetParam()));
  const Json golden = Json::parse(file);
  ASSERT_EQ(Hashes(nfd_),
            golden["nfd"]["texts"].get<std::vector<std::string>>());
  const auto spec = FromTokenizerJson(golden["tokenizer"].dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  {
    SCOPED_TRACE("tokenizer.json");
    ExpectEqual(*spec, golden);
  }
  SCOPED_TRACE("GGUF");
  if (!golden["gguf"].is_null()) ExpectEqual(GgufSpec(golden, *spec), golden);
}

INSTANTIATE_TEST_SUITE_P(All, PreTokenizersGoldenTest,
                         testing::Values("bloom", "command-r", "deepseek-coder",
                                         "deepseek-llm", "deepseek-v3",
                                         "falcon", "gemma", "gpt-4o", "llama2",
                                         "llama-bpe", "mistral", "qwen2",
                                         "qwen35", "tekken"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace gist
