#include "core/text/words/regex.h"

#include <ctime>
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
       {R"(\h)", R"((a)\1)", R"([a&&b])", R"([[:alpha:]])", R"([a[^b]])",
        R"([\P{L}x])", R"((?<name>a))", R"((*ACCEPT))", R"(a{1,2}+)",
        R"(a{2}?)", R"(a(?i)b|c)", R"(\p{Klingon})", R"(\K)",
        R"(\x{110000})"}) {
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

// The processor's seconds of this thread.
double ProcessorSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

std::string Repeated(std::string_view text, int count) {
  std::string made;
  for (int i = 0; i < count; ++i) made += text;
  return made;
}

// A file's pattern may take quadratic or exponential time: it is stopped, in
// one search as in many short ones. The text holds the pattern's last letter,
// else PCRE2 would see at once that nothing matches.
TEST(RegexTest, StopsAPatternThatTakesTooManySteps) {
  const std::string text = Repeated("a", 10'000) + "cb";
  const std::string pairs = Repeated("aa ", 3'333) + "b";
  const std::string many = "(?:" + Repeated("a*+b|", 1000) + "a*+b)";
  for (const std::string& pattern :
       {std::string("(a+)+b"), std::string("a*+b"), std::string("a*?b"),
        std::string("(?:a|a)*b"), std::string("(?>a+)b"), many,
        Repeated("a?", 30) + Repeated("a", 30) + "b",
        Repeated("(a|a)", 40) + "b", std::string("a{6000}b"),
        std::string("a(?=.*b)"), std::string("(?<=a)a*b"),
        std::string("(?i:(A+)+B)")}) {
    const auto regex = Regex::Create(pattern);
    ASSERT_TRUE(regex.ok()) << regex.status();
    const double begun = ProcessorSeconds();
    const auto found = regex->FindAll(text);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kResourceExhausted)
        << pattern.substr(0, 40);
    EXPECT_THAT(found.status().ToString(), HasSubstr(pattern.substr(0, 10)));
    EXPECT_LT(ProcessorSeconds() - begun, 2) << pattern.substr(0, 40);
  }
  // Many searches, each of them short.
  EXPECT_FALSE(Regex::Create("aa(?= [a ]*b)")->FindAll(pairs).ok());
}

TEST(RegexTest, SaysWhatABudgetWas) {
  const auto status = Regex::Create("(a+)+b")
                          ->FindAll("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaacb")
                          .status();
  EXPECT_THAT(status.ToString(),
              testing::AllOf(HasSubstr("steps for a text of 34 bytes"),
                             HasSubstr("take the model's own tokenizer")));
}

TEST(RegexTest, OneBudgetServesManySearches) {
  const auto regex = Regex::Create("a");
  RegexBudget budget(0);
  Regex::Search search(*regex, &budget);
  const std::string text(1000, 'a');
  int searches = 0;
  while (search.FindAll(text).ok()) ++searches;
  EXPECT_LT(searches, int(RegexBudget::kBaseSteps / 1000));
  EXPECT_GT(searches, 100);
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
