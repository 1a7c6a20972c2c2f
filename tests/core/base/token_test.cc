#include "core/base/token.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

TEST(TokenTest, NewTokensAreOfTheFormAndDiffer) {
  std::set<std::string> tokens, ids, salts;
  for (int i = 0; i < 1000; ++i) {
    const std::string token = NewToken();
    EXPECT_EQ(token.size(), kTokenBytes);
    ASSERT_TRUE(TokenId(token)) << token;
    tokens.insert(token.substr(22));
    ids.emplace(*TokenId(token));
    salts.insert(NewTokenSalt());
  }
  EXPECT_EQ(tokens.size(), 1000u);
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_EQ(salts.size(), 1000u);
}

TEST(TokenTest, WhatIsNotOfTheFormHasNoId) {
  const std::string token = NewToken();
  EXPECT_EQ(TokenId(token)->size(), 16u);
  for (size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'g' == token[i] ? 'x' : 'G', ' ', '\xC3', '\0'}) {
      std::string changed = token;
      changed[i] = c;
      EXPECT_FALSE(TokenId(changed)) << i;
    }
    EXPECT_FALSE(TokenId(token.substr(0, i)));
  }
  EXPECT_FALSE(TokenId(token + "0"));
}

// SHA-256 over 4 in eight bytes, "salt", "token": by Python's hashlib.
TEST(TokenTest, TheHashIsOverSaltAndToken) {
  EXPECT_EQ(TokenHash("salt", "token"),
            "3da2a562185e0f29050663e8050bd46e7c912bf3f6f19bffbf4ce58815218ea4");
  EXPECT_NE(TokenHash("salt", "token"), TokenHash("sal", "ttoken"));
}

TEST(TokenTest, TextsAreEqualOnlyAsAWhole) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  for (const char* other : {"", "ab", "abcd", "abd", "xbc"}) {
    EXPECT_FALSE(EqualInConstantTime("abc", other)) << other;
  }
}

TEST(TokenTest, TimesAreUtcAndReal) {
  EXPECT_EQ(ParseUtcTime("1970-01-01T00:00:01Z"), 1);
  EXPECT_EQ(ParseUtcTime("2027-01-15T08:00:00Z"), 1'800'000'000);
  EXPECT_EQ(FormatUtcTime(1'800'000'000), "2027-01-15T08:00:00Z");
  for (const char* wrong : {"", "2027-01-15", "2027-02-30T00:00:00Z",
                            "2027-01-15T24:00:00Z", "2027-01-15T08:00:00+01:00",
                            "2027-1-15T08:00:00Z", "2027-01-15T08:00:00Z "}) {
    EXPECT_EQ(ParseUtcTime(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace gist
