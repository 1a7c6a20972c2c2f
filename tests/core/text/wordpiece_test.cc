#include "core/text/wordpiece.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/embed/tiny_wordpiece.h"
#include "tests/core/embed/token_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

WordPieceSpec Spec(std::vector<std::string> tokens = {}) {
  WordPieceSpec spec{.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}};
  for (std::string& token : tokens) spec.tokens.push_back(std::move(token));
  return spec;
}

// Ids from 4 on.
std::unique_ptr<WordPiece> MustCreate(std::vector<std::string> tokens) {
  auto made = WordPiece::Create(Spec(std::move(tokens)));
  EXPECT_THAT(made, IsOk());
  return *std::move(made);
}

TEST(WordPieceTest, TakesTheLongestTokenAndGoesOn) {
  const auto t = MustCreate({"un", "##aff", "##able", "##a", "##af", "able"});
  EXPECT_THAT(ShowTokens(*t, "unaffable"),
              ElementsAre("4:0-2", "+5:2-5", "+6:5-9"));
  EXPECT_THAT(ShowTokens(*t, " able\tUNABLE "),
              ElementsAre("9:1-5", "4:6-8", "+6:8-12"));
  EXPECT_THAT(ShowTokens(*t, ""), IsEmpty());
  EXPECT_THAT(ShowTokens(*t, " \n\u3000 "), IsEmpty());
}

TEST(WordPieceTest, AWordWithAMissingPieceIsUnknownAsAWhole) {
  const auto t = MustCreate({"un", "##able", "##ab"});
  EXPECT_THAT(ShowTokens(*t, "unablest un"), ElementsAre("1:0-8", "4:9-11"));
  EXPECT_THAT(ShowTokens(*t, "able"), ElementsAre("1:0-4"));
}

TEST(WordPieceTest, AWordOfMoreThanAHundredCharactersIsUnknown) {
  const auto t = MustCreate({"a", "##a"});
  EXPECT_EQ(ShowTokens(*t, std::string(100, 'a')).size(), 100);
  EXPECT_THAT(ShowTokens(*t, std::string(101, 'a')), ElementsAre("1:0-101"));
}

TEST(WordPieceTest, StripsAccentsAndCase) {
  const auto t = MustCreate({"cafe", "istanbul", "strasse", "stra\u00DFe"});
  EXPECT_THAT(ShowTokens(*t, "Caf\u00E9 cafe\u0301 CAFE"),
              ElementsAre("4:0-5", "4:6-10", "4:13-17"));
  EXPECT_THAT(ShowTokens(*t, "\u0130stanbul"), ElementsAre("5:0-9"));
  EXPECT_THAT(ShowTokens(*t, "stra\u00DFe STRA\u1E9EE"),
              ElementsAre("7:0-7", "7:8-16"));
}

TEST(WordPieceTest, PunctuationAndIdeographsAreWords) {
  const auto t = MustCreate({"a", "!", "$", "\u6F22", "\u5B57", "b"});
  EXPECT_THAT(ShowTokens(*t, "a!!b$"),
              ElementsAre("4:0-1", "5:1-2", "5:2-3", "9:3-4", "6:4-5"));
  EXPECT_THAT(ShowTokens(*t, "a\u6F22\u5B57b"),
              ElementsAre("4:0-1", "7:1-4", "8:4-7", "9:7-8"));
}

TEST(WordPieceTest, HangulIsReadByLettersThatShareASyllable) {
  const auto t = MustCreate({"\u1112", "##\u1161", "##\u11AB"});
  EXPECT_THAT(ShowTokens(*t, "\uD55C"),
              ElementsAre("4:0-3", "+5:0-3", "+6:0-3"));
}

TEST(WordPieceTest, ControlCharactersVanishWithinWords) {
  const auto t = MustCreate({"ab", "a", "b"});
  EXPECT_THAT(ShowTokens(*t,
                         "a\u200B\x01"
                         "b"),
              ElementsAre("4:0-6"));
  EXPECT_THAT(ShowTokens(*t, std::string("a\0b", 3)), ElementsAre("4:0-3"));
  EXPECT_THAT(ShowTokens(*t, "a\u00A0b"), ElementsAre("5:0-1", "6:3-4"));
}

TEST(WordPieceTest, SpecialTokensInTextStayText) {
  const auto t = MustCreate({"[", "]", "sep", "cls"});
  EXPECT_THAT(ShowTokens(*t, "[SEP]"), ElementsAre("4:0-1", "6:1-4", "5:4-5"));
  EXPECT_EQ(t->pad_id(), 0);
  EXPECT_EQ(t->unknown_id(), 1);
  EXPECT_EQ(t->first_id(), 2);
  EXPECT_EQ(t->last_id(), 3);
  EXPECT_EQ(t->vocab_size(), 8);
}

TEST(WordPieceTest, StopsAtTheWantedNumber) {
  const auto t = MustCreate({"a", "##b"});
  EXPECT_EQ(t->Encode("abab ab", 2)->size(), 2);
  EXPECT_EQ(t->Encode("ab ab", 3)->size(), 3);
  EXPECT_EQ(t->Encode("ab ab", 0)->size(), 0);
}

TEST(WordPieceTest, RefusesWhatIsNotUtf8) {
  const auto t = MustCreate({"a"});
  EXPECT_THAT(
      t->Encode("a\xFF"
                "b"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("byte 1")));
}

TEST(WordPieceTest, RefusesVocabulariesThatContradictThemselves) {
  EXPECT_THAT(WordPiece::Create(Spec({"a", "##a", "a"})),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("4 and 6")));
  EXPECT_THAT(WordPiece::Create({.tokens = {"[PAD]", "[UNK]", "[CLS]"}}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("[SEP]")));
  EXPECT_THAT(WordPiece::Create({}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("0 tokens")));
}

TEST(WordPieceTest, EqualsTheReferenceTokenByToken) {
  const auto golden = ReadTinyGolden();
  const auto t = LoadTinyWordPiece();
  ASSERT_NE(t, nullptr);
  ASSERT_GE(golden["lines"].size(), 250);
  for (const auto& line : golden["lines"]) {
    const auto tokens = t->Encode(line["text"].get<std::string>());
    ASSERT_THAT(tokens, IsOk());
    auto found = nlohmann::json::array();
    for (const SentenceToken& token : *tokens) {
      found.push_back({token.id, token.begin, token.end});
    }
    EXPECT_EQ(found, line["tokens"]) << line["text"].dump(-1, ' ', true);
  }
}

class WordPieceFilesTest : public testing::Test {
 protected:
  void ExpectRefused(absl::StatusCode code, const std::string& text) {
    EXPECT_THAT(LoadWordPiece(json_), StatusIs(code, HasSubstr(text)));
  }
  nlohmann::json json_ = ReadTinyGolden()["tokenizer"];
};

TEST_F(WordPieceFilesTest, ReadsAVocabularyOfLines) {
  const TempDir folder;
  std::ofstream(folder / "vocab.txt") << "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\nx\n";
  const auto t = SentenceTokenizer::Load(folder.path());
  ASSERT_THAT(t, IsOk());
  EXPECT_THAT(ShowTokens(**t, "X"), ElementsAre("4:0-1"));
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"do_lower_case":false})";
  EXPECT_THAT(SentenceTokenizer::Load(folder.path()),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("do_lower_case is \"false\"")));
}

TEST_F(WordPieceFilesTest, NamesWhatIsMissing) {
  const TempDir folder;
  EXPECT_THAT(SentenceTokenizer::Load(folder.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("vocab.txt")));
  json_.erase("model");
  ExpectRefused(absl::StatusCode::kUnimplemented, "unk_token");
}

TEST_F(WordPieceFilesTest, RefusesAnotherKindOfTokenizer) {
  json_["model"]["type"] = "BPE";
  ExpectRefused(absl::StatusCode::kUnimplemented, "BPE");
}

TEST_F(WordPieceFilesTest, RefusesACasedOne) {
  json_["normalizer"]["lowercase"] = false;
  ExpectRefused(absl::StatusCode::kUnimplemented, "lowercase");
}

TEST_F(WordPieceFilesTest, RefusesIdsWithAGap) {
  json_["model"]["vocab"]["[PAD]"] = 600;
  ExpectRefused(absl::StatusCode::kDataLoss, "0 to 599");
}

TEST_F(WordPieceFilesTest, RefusesBrokenJson) {
  const TempDir folder;
  std::ofstream(folder / "tokenizer.json") << "{\"model\": ";
  EXPECT_THAT(SentenceTokenizer::Load(folder.path()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("JSON")));
}

}  // namespace
}  // namespace gist
