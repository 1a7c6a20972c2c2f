#include "core/retrieval/bm25.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace gist {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;

std::vector<double> Scores(std::string_view question,
                           std::vector<std::string_view> texts) {
  return Bm25Scores(question, texts);
}

// By hand, from the formula: k1 = 1.2, b = 0.75.
TEST(Bm25Test, IsTheFormula) {
  const auto scores =
      Scores("red fox", {"the red fox", "a red red hen sat", "no"});
  const double mean = (3 + 5 + 1) / 3.0;
  const auto part = [&](double holders, double count, double length) {
    return std::log1p((3 - holders + 0.5) / (holders + 0.5)) * count * 2.2 /
           (count + 1.2 * (0.25 + 0.75 * length / mean));
  };
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_NEAR(scores[0], part(2, 1, 3) + part(1, 1, 3), 1e-12);
  EXPECT_NEAR(scores[1], part(2, 2, 5), 1e-12);
  EXPECT_EQ(scores[2], 0);
}

TEST(Bm25Test, CaseAccentsAndPunctuationDoNotCount) {
  EXPECT_THAT(Scores("Où est le CAFÉ?", {"cafe", "the cafe!", "thé"}),
              ElementsAre(Gt(0), Gt(0), 0));
  EXPECT_THAT(Scores("what ? !", {"really?", "no!"}), Each(0));
}

TEST(Bm25Test, KoreanWordsAreFoundWithOtherEndings) {
  // Two syllables in a row: "비밀", "암호"; a code in a Korean word is a word.
  const auto scores = Scores(
      "비밀 암호는 무엇입니까?",
      {"그 비밀의 암호가 ABC123입니다.", "날씨가 맑다.", "비밀은 없다."});
  EXPECT_GT(scores[0], scores[2]);
  EXPECT_GT(scores[2], 0);
  EXPECT_EQ(scores[1], 0);
  EXPECT_THAT(Scores("abc123", {"암호가 ABC123입니다", "암호가 ABC124입니다"}),
              ElementsAre(Gt(0), 0));
  EXPECT_THAT(Scores("무", {"무가 있다", "무"}), ElementsAre(0, Gt(0)));
}

TEST(Bm25Test, IdeographsCountByTwosAcrossWordsOfTheTokenizer) {
  EXPECT_THAT(Scores("密碼", {"這個密碼是", "密。碼", "碼密", "かな"}),
              ElementsAre(Gt(0), 0, 0, 0));
  EXPECT_THAT(Scores("かに", {"ひらがな", "かにの"}), ElementsAre(0, Gt(0)));
}

TEST(Bm25Test, EachTextCountsForItself) {
  // Equal texts have equal scores, whatever was counted before.
  const auto scores = Scores("a b a c", {"a b", "c a b", "a b", "c", "a b"});
  EXPECT_EQ(scores[0], scores[2]);
  EXPECT_EQ(scores[0], scores[4]);
  EXPECT_GT(scores[1], scores[3]);
}

// An index over texts that came and went against the formula over those that
// are there.
TEST(Bm25IndexTest, EqualsTheScoresOfTheTextsThatAreThere) {
  const std::vector<std::string> texts = {"the red fox",
                                          "a red red hen sat",
                                          "no",
                                          "그 비밀의 암호가 ABC123입니다.",
                                          "",
                                          "red fox, red fox!",
                                          "비밀은 없다",
                                          "fox"};
  const auto expect_equal = [&](const Bm25Index& index,
                                const std::vector<uint64_t>& labels) {
    std::vector<std::string_view> there;
    for (const uint64_t label : labels) there.push_back(texts[label]);
    for (const char* const question :
         {"red fox", "fox red, fox", "비밀 암호는", "abc123", "cow", ""}) {
      const std::vector<double> want = Bm25Scores(question, there);
      std::vector<double> got(there.size());
      double before = 1e9;
      for (const auto& [label, score] : index.Search(question)) {
        const auto at = std::ranges::find(labels, label);
        ASSERT_NE(at, labels.end()) << label;
        got[size_t(at - labels.begin())] = score;
        EXPECT_LE(score, before);
        EXPECT_GT(score, 0);
        before = score;
      }
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_NEAR(got[i], want[i], 1e-12) << question << " " << there[i];
    }
    EXPECT_EQ(index.size(), labels.size());
  };
  Bm25Index index;
  expect_equal(index, {});
  for (const uint64_t label : {0, 1, 2, 3, 4}) index.Add(label, texts[label]);
  expect_equal(index, {0, 1, 2, 3, 4});
  const int64_t bytes = index.memory_bytes();
  index.Remove(1);
  index.Remove(3);
  index.Remove(9);
  EXPECT_LT(index.memory_bytes(), bytes);
  expect_equal(index, {0, 2, 4});
  for (const uint64_t label : {5, 6, 7}) index.Add(label, texts[label]);
  expect_equal(index, {0, 2, 4, 5, 6, 7});
}

TEST(Bm25Test, NothingIsNothing) {
  EXPECT_THAT(Scores("question", {}), IsEmpty());
  EXPECT_THAT(Scores("", {"text", ""}), Each(0));
  EXPECT_THAT(Scores("text", {"", " "}), Each(0));
}

}  // namespace
}  // namespace gist
