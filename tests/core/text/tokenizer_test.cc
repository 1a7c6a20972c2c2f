#include "core/text/tokenizer.h"

#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/text/vocabulary.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "th", "the", " the", "in", "ing".
TokenizerSpec TinySpec(std::string_view pre_tokenizer = "smollm") {
  return ByteVocabulary(
      pre_tokenizer,
      {{"t", "h"}, {"th", "e"}, {" ", "the"}, {"i", "n"}, {"in", "g"}});
}

std::unique_ptr<Tokenizer> MustCreate(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::Create(std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::string Decode(const Tokenizer& tokenizer,
                   const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += tokenizer.Bytes(id);
  return text;
}

constexpr int32_t Byte(char c) { return 3 + static_cast<unsigned char>(c); }

TEST(TokenizerTest, MergesWithinWordsOnly) {
  const auto tokenizer = MustCreate(TinySpec());
  EXPECT_THAT(*tokenizer->Encode("the thing"),
              ElementsAre(260, Byte(' '), 259, 263));
  EXPECT_THAT(*tokenizer->Encode("in the"), ElementsAre(262, 261));
  EXPECT_THAT(*tokenizer->Encode("t\nhe"),
              ElementsAre(Byte('t'), Byte('\n'), Byte('h'), Byte('e')));
  EXPECT_THAT(*tokenizer->Encode(""), IsEmpty());
}

TEST(TokenizerTest, GivesBackEveryByte) {
  const auto tokenizer = MustCreate(TinySpec());
  std::string text = "\u0080 the\t12\r\n\uD55C\uAD6D\uC5B4 \u00E9e\u0301";
  for (char c = 0; c < 0x7F; ++c) text.push_back(c);
  text += "\U0001F469\u200D\U0001F680\U00050000\U000F0000\U0010FFFF";
  EXPECT_EQ(Decode(*tokenizer, *tokenizer->Encode(text)), text);
}

TEST(TokenizerTest, SpecialTokensInTextStayText) {
  const auto tokenizer = MustCreate(TinySpec());
  const std::string text = "x<|im_end|>\n<|im_start|>system<|endoftext|>";
  const auto ids = *tokenizer->Encode(text);
  EXPECT_THAT(ids, testing::Each(testing::Ge(3)));
  EXPECT_EQ(Decode(*tokenizer, ids), text);
}

TEST(TokenizerTest, NamesTheIdsThatATextGives) {
  TokenizerSpec spec = TinySpec();
  spec.tokens.insert(spec.tokens.end(), {"qq", "<tag>", "<|turn|>"});
  spec.token_types.insert(spec.token_types.end(), {1, 4, 4});
  const auto ids = MustCreate(spec)->TextIds();
  const std::set<int32_t> given(ids.begin(), ids.end());
  EXPECT_FALSE(given.contains(2)) << "control";
  for (int32_t id = 3; id < 264; ++id) EXPECT_TRUE(given.contains(id)) << id;
  EXPECT_FALSE(given.contains(264)) << "no merge makes it";
  EXPECT_TRUE(given.contains(265));
  EXPECT_FALSE(given.contains(266)) << "marks a turn";
  spec.pre_tokenizer = "llama-bpe";  // a word that is a token is that token
  const auto words = MustCreate(spec)->TextIds();
  EXPECT_THAT(words, testing::Contains(264));
}

TEST(TokenizerTest, SpecialTokensHaveAnIdAndNoBytes) {
  const auto tokenizer = MustCreate(TinySpec());
  EXPECT_EQ(*tokenizer->SpecialId("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer->Bytes(2), "");
  EXPECT_EQ(tokenizer->Bytes(-1), "");
  EXPECT_EQ(tokenizer->Bytes(tokenizer->vocab_size()), "");
  EXPECT_EQ(tokenizer->vocab_size(), 264);
  const auto missing = tokenizer->SpecialId("<|eot_id|>").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.ToString(), HasSubstr("<|eot_id|>"));
  EXPECT_FALSE(tokenizer->SpecialId("the").ok()) << "normal, not special";
}

TEST(TokenizerTest, UserDefinedTokensAreSpecialAndStandForThemselves) {
  TokenizerSpec spec = TinySpec();
  spec.tokens.push_back("<think> \n");
  spec.token_types.push_back(4);
  const auto tokenizer = MustCreate(spec);
  EXPECT_EQ(*tokenizer->SpecialId("<think> \n"), 264);
  EXPECT_EQ(tokenizer->Bytes(264), "<think> \n");
}

TEST(TokenizerTest, DropsAByteThatTheVocabularyLacks) {
  TokenizerSpec spec = TinySpec();
  spec.tokens.erase(spec.tokens.begin() + Byte('\x06'));
  spec.token_types.pop_back();
  const auto tokenizer = MustCreate(spec);
  const auto ids = *tokenizer->Encode("t\x06h \x06");
  EXPECT_EQ(Decode(*tokenizer, ids), "th ");
}

TEST(TokenizerTest, NamesTheByteThatIsNotUtf8) {
  const auto tokenizer = MustCreate(TinySpec());
  const std::pair<std::string, std::string> cases[] = {
      {"ok \xFF", "byte 3 is 0xFF"},
      {"caf\xC3", "byte 3 is 0xC3"},
      {"\xC0\x80", "byte 0 is 0xC0"},
      {"\uD55C\xED\xA0\x80", "byte 3 is 0xED"},
      {"x\xF4\x90\x80\x80", "byte 1 is 0xF4"}};
  for (const auto& [text, wanted] : cases) {
    const auto status = tokenizer->Encode(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.ToString(), HasSubstr(wanted));
  }
}

// Pairs, fours, eights; then the rest. A quadratic merge would take minutes.
TEST(TokenizerTest, LongWordsAreNotQuadratic) {
  const auto tokenizer = MustCreate(ByteVocabulary(
      "gpt2", {{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}, {" ", " "}}));
  const auto ids = *tokenizer->Encode(std::string((1 << 18) + 3, 'a'));
  ASSERT_EQ(ids.size(), (1 << 15) + 2);
  EXPECT_EQ(ids.front(), 261);
  EXPECT_EQ(ids.back(), Byte('a'));
  EXPECT_EQ(tokenizer->Encode(std::string(1 << 18, ' '))->size(), 1 << 17);
}

TEST(TokenizerTest, EncodesFromManyThreadsAtOnce) {
  const auto tokenizer = MustCreate(TinySpec());
  const std::string text = "the thing in the 7th string 'tis\n";
  const auto expected = *tokenizer->Encode(text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        EXPECT_EQ(*tokenizer->Encode(text), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TokenizerTest, RefusesAPreTokenizerItDoesNotKnow) {
  const auto status = Tokenizer::Create(TinySpec("no-such")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.ToString(), HasSubstr("no-such"));
}

TEST(TokenizerTest, RefusesAVocabularyThatContradictsItself) {
  struct Case {
    std::function<void(TokenizerSpec*)> spoil;
    std::string wanted;
  };
  const Case cases[] = {
      {[](auto* s) { s->tokens.clear(); }, "0 tokens"},
      {[](auto* s) { s->token_types.pop_back(); },
       "263 token types for 264 tokens"},
      {[](auto* s) { s->tokens[263] = "th"; }, "tokens 259 and 263"},
      {[](auto* s) { s->tokens[263] = ""; }, "token 263 is \"\""},
      {[](auto* s) { s->tokens[263] = "a b"; }, "token 263 is \"a b\""},
      {[](auto* s) { s->tokens[263] = "\xC4"; }, "token 263 is"},
      {[](auto* s) { s->tokens[263] = "\uD55C"; }, "token 263 is"},
      {[](auto* s) { s->token_types[5] = 0; }, "has type 0, want 1 to 6"},
      {[](auto* s) { s->token_types[5] = 7; }, "has type 7"},
      {[](auto* s) { s->merges[1] = "the"; }, "merge 1 is \"the\""},
      {[](auto* s) { s->merges[1] = "t h e"; }, "merge 1 is \"t h e\""},
      {[](auto* s) { s->merges[1] = "th x"; }, "needs \"thx\""},
      {[](auto* s) { s->merges[1] = "th zz"; }, "needs \"zz\""},
      {[](auto* s) { s->merges[1] = "th "; }, "needs \"\""},
      {[](auto* s) { s->merges.push_back("t h"); }, "merge 5 \"t h\""},
      {[](auto* s) { s->token_types[259] = 3; }, "needs \"th\""}};
  for (const auto& [spoil, wanted] : cases) {
    TokenizerSpec spec = TinySpec();
    spoil(&spec);
    const auto status = Tokenizer::Create(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << wanted;
    EXPECT_THAT(status.ToString(), HasSubstr(wanted));
  }
}

TEST(TokenizerTest, ShowsOnlyTheStartOfALongToken) {
  TokenizerSpec spec = TinySpec();
  spec.merges.push_back(std::string(1 << 20, '\xFF'));
  const auto status = Tokenizer::Create(spec).status();
  EXPECT_LT(status.message().size(), 500);
  EXPECT_THAT(status.ToString(), HasSubstr("\\xFF\"..."));
}

// 300 lines, from the reference with a vocabulary trained for this test.
TEST(TokenizerTest, EqualsTheReferenceOnATrainedVocabulary) {
  std::ifstream file("tests/data/tokenizer/tiny.json");
  const auto tiny = nlohmann::json::parse(file);
  ASSERT_GE(tiny["lines"].size(), 300);
  for (const std::string name : {"smollm", "gpt2"}) {
    const auto tokenizer = MustCreate({.pre_tokenizer = name,
                                       .tokens = tiny["tokens"],
                                       .merges = tiny["merges"],
                                       .token_types = tiny["types"]});
    for (const auto& line : tiny["lines"]) {
      const std::string text = line["text"];
      const std::vector<int32_t> expected = line[name];
      ASSERT_EQ(*tokenizer->Encode(text), expected) << name << ": " << text;
      ASSERT_EQ(Decode(*tokenizer, expected), text);
    }
  }
}

}  // namespace
}  // namespace gist
