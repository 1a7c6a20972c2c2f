#include "core/data/values.h"

#include <map>
#include <set>
#include <string>

#include "core/data/words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::MatchesRegex;

constexpr Split kSplits[] = {Split::kTrain, Split::kDev, Split::kTest};
constexpr ValueKind kKinds[] = {ValueKind::kCode, ValueKind::kNumber,
                                ValueKind::kName, ValueKind::kUuid,
                                ValueKind::kDate};

TEST(ValuesTest, HaveTheirForm) {
  const std::map<ValueKind, std::string> forms = {
      {ValueKind::kCode, "[A-HJ-NP-Z][A-HJ-NP-Z][A-HJ-NP-Z][0-9][0-9][0-9]"},
      {ValueKind::kNumber, "[1-9][0-9][0-9]+"},
      {ValueKind::kName, "[A-Z][a-z]+ [A-Z][a-z]+"},
      {ValueKind::kUuid,
       "[0-9a-f]+-[0-9a-f]+-4[0-9a-f]+-[89ab][0-9a-f]+-[0-9a-f]+"},
      {ValueKind::kDate, "[0-9]+ [A-Z][a-z]+ [12][0-9][0-9][0-9]"}};
  Rng rng(1);
  for (const auto& [kind, form] : forms) {
    for (int i = 0; i < 200; ++i) {
      const std::string value = RandomValue(kind, "en", Split::kTrain, rng);
      EXPECT_THAT(value, MatchesRegex(form)) << Name(kind);
      if (kind == ValueKind::kNumber) {
        EXPECT_LE(value.size(), 8u);
      }
      if (kind == ValueKind::kUuid) {
        EXPECT_EQ(value.size(), 36u);
      }
    }
  }
}

// Not a sample: a value is in the split that its text alone tells.
TEST(ValuesTest, AreNeverSharedBySplits) {
  std::map<std::string, Split> owner;
  Rng rng(2);
  for (const auto language : {"en", "ko"}) {
    for (const ValueKind kind : kKinds) {
      for (const Split split : kSplits) {
        for (int i = 0; i < 500; ++i) {
          const std::string value = RandomValue(kind, language, split, rng);
          const auto [at, is_new] = owner.emplace(value, split);
          EXPECT_EQ(at->second, split) << value;
        }
      }
    }
  }
}

TEST(ValuesTest, PutADayInTheSameSplitInBothLanguages) {
  std::set<std::string> english, korean;
  Rng one(3), other(3);
  for (int i = 0; i < 100; ++i) {
    const std::string en =
        RandomValue(ValueKind::kDate, "en", Split::kTest, one);
    const std::string ko =
        RandomValue(ValueKind::kDate, "ko", Split::kTest, other);
    EXPECT_EQ(en.substr(en.size() - 4), ko.substr(0, 4));
  }
}

TEST(ValuesTest, HalfOfTheCodesAreMadeAroundAPartIfThereAreAny) {
  const std::vector<std::string> parts = {"QXZ", "JV"};
  constexpr int kDraws = 2000;
  Rng rng(5);
  int whole = 0, front = 0, back = 0;
  for (int i = 0; i < kDraws; ++i) {
    const std::string code =
        RandomValue(ValueKind::kCode, "en", Split::kTrain, rng, parts);
    ASSERT_EQ(code.size(), 6u);
    EXPECT_EQ(SplitOf(code), Split::kTrain);
    whole += code.starts_with("QXZ");
    front += code.starts_with("JV");
    back += code.substr(1, 2) == "JV";
  }
  EXPECT_NEAR(whole, kDraws / 4, 80);
  EXPECT_NEAR(front, kDraws / 8, 60);
  EXPECT_NEAR(back, kDraws / 8, 60);
}

// Three options of one kind must be found in every split.
TEST(ValuesTest, LeaveEverySplitWordsToChooseFrom) {
  for (const Words* words : {&EnglishWords(), &KoreanWords()}) {
    for (const auto& list : {words->topics, words->events}) {
      std::map<Split, int> count;
      std::set<std::string_view> different(list.begin(), list.end());
      for (const auto word : list) ++count[SplitOf(word)];
      for (const Split split : kSplits) EXPECT_GE(count[split], 5);
      EXPECT_EQ(different.size(), list.size());
    }
    EXPECT_GE(words->key_heads.size() * words->key_tails.size(), 60u);
  }
}

TEST(ValuesTest, AreTheSameForTheSameSeed) {
  Rng one(4), other(4);
  for (const ValueKind kind : kKinds) {
    EXPECT_EQ(RandomValue(kind, "ko", Split::kDev, one),
              RandomValue(kind, "ko", Split::kDev, other));
  }
  EXPECT_EQ(RandomKey("en", Split::kDev, one),
            RandomKey("en", Split::kDev, other));
  EXPECT_EQ(one.state(), other.state());
}

// Pinned: other numbers would change every data set that was ever made.
TEST(ValuesTest, KeepTheirSplits) {
  EXPECT_EQ(HashText(""), 0xf52a15e9a9b5e89bu);
  EXPECT_EQ(SplitOf("ABC123"), Split::kTrain);  // its hash ends in 1
}

}  // namespace
}  // namespace gist
