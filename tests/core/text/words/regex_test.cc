#include "core/text/words/regex.h"

#include <string>
#include <vector>

#include "core/text/words/regex_syntax.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The matches of `pattern` in `text`; an error's text.
std::vector<std::string> Matches(std::string_view pattern,
                                 std::string_view text) {
  const auto regex = Regex::Create(pattern);
  if (!regex.ok()) return {regex.status().ToString()};
  const auto found = regex->FindAll(text);
  if (!found.ok()) return {found.status().ToString()};
  std::vector<std::string> matches;
  for (const TextRange& range : *found) {
    matches.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return matches;
}

// Expectations of this file were made with `tokenizers` 0.23's Split.
TEST(RegexTest, ReadsTheSyntaxOfTokenizerFiles) {
  EXPECT_THAT(Matches(R"(\u0061|\x62|\x{63})", "abcd"),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Matches(R"([^(\s|[.,!?])]+)", "a(b |c.d"),
              ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Matches(R"([a-c\-x]+)", "b-x y"), ElementsAre("b-x"));
  EXPECT_THAT(Matches(R"([]a]+)", "]a"), ElementsAre("]a"));
  EXPECT_THAT(Matches(R"(\P{L}+)", "ab12"), ElementsAre("12"));
  EXPECT_THAT(Matches(R"(\p{^L}+)", "ab12"), ElementsAre("12"));
  EXPECT_THAT(Matches(R"(a{,2})", "aaa"), ElementsAre("aa", "a"));
  EXPECT_THAT(Matches(R"(a{x)", "a{x"), ElementsAre("a{x"));
  EXPECT_THAT(Matches(R"([^\r\n\p{L}]?+\p{L}++)", " ab"), ElementsAre(" ab"));
  EXPECT_THAT(Matches(R"((?<=a)b(?!c))", "ab abc"), ElementsAre("b"));
  EXPECT_THAT(Matches(R"(\d{1,3}(?=(?:\d{3})*\b))", "1234567"),
              ElementsAre("1", "234", "567"));
  EXPECT_THAT(Matches(R"(x$)", "x\nx"), ElementsAre("x", "x"));
  EXPECT_THAT(Matches(R"(\S+)", "a\u0085\u180E"), ElementsAre("a", "\u180E"));
  EXPECT_THAT(Matches(R"((?i:'s))", "'S '\u017F"),
              ElementsAre("'S", "'\u017F"));
}

TEST(RegexTest, KnowsLettersThatPcre2Lacks) {
  EXPECT_THAT(Matches(R"(\p{Lu}+)", "\uA7CB"), ElementsAre("\uA7CB"));
  EXPECT_THAT(Matches(R"([\p{L}-]+)", "\U0001E5F0-a"),
              ElementsAre("\U0001E5F0-a"));
  EXPECT_THAT(Matches(R"(\p{Han}+)", "\U000323AF"), ElementsAre("\U000323AF"));
}

TEST(RegexTest, NamesWhatItDoesNotSupport) {
  for (const char* pattern :
       {R"(\h)", R"([a&&b])", R"([[:alpha:]])", R"([a[^b]])", R"([\P{L}x])",
        R"((?<name>a))", R"((*ACCEPT))", R"(a{1,2}+)", R"(a{2}?)",
        R"(a(?i)b|c)", R"(\p{Klingon})", R"(\K)", R"(\x{110000})"}) {
    const auto status = Regex::Create(pattern).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << pattern;
    EXPECT_THAT(status.ToString(), HasSubstr("is not supported")) << pattern;
  }
  for (const char* pattern :
       {"[a", R"(\)", R"(\p{L)", "(a", "a)", "[z-a]", "*", "[\xFF]"}) {
    EXPECT_EQ(Regex::Create(pattern).status().code(),
              absl::StatusCode::kDataLoss)
        << pattern;
  }
  EXPECT_FALSE(Regex::Create(std::string(65537, 'a')).ok());
  EXPECT_FALSE(Regex::Create(std::string(5000, '[')).ok());
  EXPECT_FALSE(Regex::Create(std::string(5000, '(')).ok());
}

// A file's pattern may take exponential time: it is stopped.
TEST(RegexTest, StopsAPatternThatTakesTooManySteps) {
  const auto regex = Regex::Create("(a+)+b");
  ASSERT_TRUE(regex.ok()) << regex.status();
  std::string text(1000, 'a');
  text.append("cb");  // else PCRE2 sees at once that there is no b
  const auto found = regex->FindAll(text);
  EXPECT_EQ(found.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(found.status().ToString(), HasSubstr("(a+)+b"));
}

TEST(RegexTest, EmptyMatchesDoNotRepeat) {
  EXPECT_THAT(Matches("x*", ""), ElementsAre(""));
  EXPECT_THAT(Matches("x*", "axb"), ElementsAre("", "x", ""));
}

TEST(RegexTest, ALiteralMatchesItself) {
  EXPECT_THAT(Matches(LiteralPattern("a.[\u2581"), "xa.[\u2581ab"),
              ElementsAre("a.[\u2581"));
}

}  // namespace
}  // namespace gist
