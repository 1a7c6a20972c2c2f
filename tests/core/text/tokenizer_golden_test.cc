// The default model's own vocabulary against the reference's ids
// (tests/reference/make_tokenizer_golden.py).
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr char kData[] = "tests/data/tokenizer/";

struct Line {
  std::string text;
  std::vector<int32_t> smollm, gpt2;
};

std::vector<int32_t> Numbers(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<int32_t>(stream), {}};
}

std::vector<Line> ReadLines() {
  std::ifstream texts(std::string(kData) + "lines.jsonl");
  std::ifstream ids(std::string(kData) + "ids.txt");
  std::vector<Line> lines;
  std::string text, row;
  while (std::getline(texts, text) && std::getline(ids, row)) {
    const size_t bar = row.find('|');
    Line line{nlohmann::json::parse(text), Numbers(row.substr(0, bar)), {}};
    line.gpt2 = bar == row.npos ? line.smollm : Numbers(row.substr(bar + 1));
    lines.push_back(std::move(line));
  }
  return lines;
}

class TokenizerGoldenTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto file = MappedFile::Open(kModel);
    ASSERT_TRUE(file.ok()) << file.status();
    const auto gguf = Gguf::Parse(file->bytes());
    ASSERT_TRUE(gguf.ok()) << gguf.status();
    spec_ = {.pre_tokenizer = *gguf->String("tokenizer.ggml.pre"),
             .tokens = *gguf->Strings("tokenizer.ggml.tokens"),
             .merges = *gguf->Strings("tokenizer.ggml.merges"),
             .token_types = *gguf->Ints("tokenizer.ggml.token_type")};
    template_ = *gguf->String("tokenizer.chat_template");
  }

  static std::unique_ptr<Tokenizer> Create(const std::string& pre_tokenizer) {
    TokenizerSpec spec = spec_;
    spec.pre_tokenizer = pre_tokenizer;
    return *Tokenizer::Create(spec);
  }

  static void ExpectEqual(const std::string& pre_tokenizer,
                          std::vector<int32_t> Line::*wanted) {
    const auto tokenizer = Create(pre_tokenizer);
    const std::vector<Line> lines = ReadLines();
    ASSERT_GE(lines.size(), 10'000);
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto ids = tokenizer->Encode(lines[i].text);
      ASSERT_TRUE(ids.ok()) << ids.status();
      ASSERT_EQ(*ids, lines[i].*wanted)
          << pre_tokenizer << ", line " << i + 1 << ": "
          << nlohmann::json(lines[i].text).dump(-1, ' ', true);
    }
  }

  static inline TokenizerSpec spec_;
  static inline std::string template_;
};

TEST_F(TokenizerGoldenTest, EqualsTheReferenceWithSmolLmWords) {
  EXPECT_EQ(spec_.pre_tokenizer, "smollm");
  ExpectEqual("smollm", &Line::smollm);
}

TEST_F(TokenizerGoldenTest, EqualsTheReferenceWithGpt2Words) {
  ExpectEqual("gpt2", &Line::gpt2);
}

TEST_F(TokenizerGoldenTest, ChatEqualsTheReference) {
  std::ifstream file(std::string(kData) + "chat.json");
  const auto golden = nlohmann::json::parse(file);
  EXPECT_EQ(template_, golden["template"]);
  const auto tokenizer = Create("smollm");
  const auto chat = ChatTemplate::Recognise(template_, *tokenizer);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->prefix(), golden["prefix"].get<std::vector<int32_t>>());
  EXPECT_EQ(chat->end_of_turn(), golden["end_of_turn"]);
  ASSERT_GE(golden["questions"].size(), 5);
  for (const auto& question : golden["questions"]) {
    const auto ids =
        chat->Question(question["text"].get<std::string>(), *tokenizer);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, question["ids"].get<std::vector<int32_t>>())
        << question["text"];
  }
}

}  // namespace
}  // namespace gist
