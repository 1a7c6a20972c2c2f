#include "core/text/words/pre_tokenizer.h"

#include <fstream>
#include <string>
#include <vector>

#include "core/text/words/named_pre_tokenizers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<PreTokenizer> Named(std::string_view name) {
  const auto named = FindPreTokenizer(name);
  if (!named.ok()) return named.status();
  return PreTokenizer::Create(named->steps);
}

std::vector<std::string> Words(std::string_view pre_tokenizer,
                               std::string_view text) {
  const auto splitter = Named(pre_tokenizer);
  if (!splitter.ok()) return {splitter.status().ToString()};
  const auto ranges = splitter->Words(text);
  if (!ranges.ok()) return {ranges.status().ToString()};
  std::vector<std::string> words;
  size_t end = 0;
  for (const TextRange& range : *ranges) {
    EXPECT_EQ(range.begin, end);
    end = range.end;
    words.emplace_back(text.substr(range.begin, end - range.begin));
  }
  EXPECT_EQ(end, text.size());
  return words;
}

std::vector<std::string> WordsBy(const std::vector<SplitStep>& steps,
                                 std::string_view text) {
  const auto splitter = PreTokenizer::Create(steps);
  if (!splitter.ok()) return {splitter.status().ToString()};
  const auto ranges = splitter->Words(text);
  if (!ranges.ok()) return {ranges.status().ToString()};
  std::vector<std::string> words;
  for (const TextRange& range : *ranges) {
    words.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return words;
}

void AppendUtf8(uint32_t code_point, std::string* text) {
  const auto tail = [&](int shift) {
    text->push_back(static_cast<char>(0x80 | (code_point >> shift & 0x3F)));
  };
  if (code_point < 0x80) {
    text->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    text->push_back(static_cast<char>(0xC0 | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    text->push_back(static_cast<char>(0xE0 | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    text->push_back(static_cast<char>(0xF0 | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

TEST(PreTokenizerTest, CutsLikeGpt2) {
  EXPECT_THAT(Words("gpt2", "We're 42 here,  isn't it?\n\n x"),
              ElementsAre("We", "'re", " 42", " here", ",", " ", " isn", "'t",
                          " it", "?", "\n\n", " x"));
  EXPECT_THAT(Words("gpt-2", "a1 "), ElementsAre("a", "1", " "));
  EXPECT_THAT(Words("gpt2", ""), IsEmpty());
}

TEST(PreTokenizerTest, SmolLmCutsEachNumericCharacter) {
  EXPECT_THAT(Words("smollm", "in 1987's 3\u00BD \u2167"),
              ElementsAre("in", " ", "1", "9", "8", "7", "'s", " ", "3",
                          "\u00BD", " ", "\u2167"));
}

TEST(PreTokenizerTest, SmolLmSpacesBeforeANumberStayTogether) {
  EXPECT_THAT(Words("smollm", "a  \t7"), ElementsAre("a", "  \t", "7"));
  EXPECT_THAT(Words("smollm", "a  \tb"), ElementsAre("a", "  ", "\t", "b"));
  EXPECT_THAT(Words("gpt2", "a  \t7"), ElementsAre("a", "  ", "\t", "7"));
}

TEST(PreTokenizerTest, ContractionsNeedLowerCaseAndTheAsciiApostrophe) {
  EXPECT_THAT(
      Words("gpt2", "IT'S it\u2019s 'll'd"),
      ElementsAre("IT", "'", "S", " it", "\u2019", "s", " '", "ll", "'d"));
}

TEST(PreTokenizerTest, NamesWhatItDoesNotSupport) {
  const auto status = FindPreTokenizer("llama-9").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr(R"(found "llama-9", supported: gpt2)"),
                             HasSubstr("llama-bpe")));
}

TEST(PreTokenizerTest, LlamaCutsNumbersByThreesAndKeepsAMarkBeforeLetters) {
  EXPECT_THAT(Words("llama-bpe", "It'LL be 12345 (ok)\n\n x"),
              ElementsAre("It", "'LL", " be", " ", "123", "45", " (", "ok",
                          ")\n\n", " x"));
}

TEST(PreTokenizerTest, TekkenCutsBeforeACapital) {
  EXPECT_THAT(Words("tekken", "fooBar 12"),
              ElementsAre("foo", "Bar", " ", "1", "2"));
}

TEST(PreTokenizerTest, FalconCutsBytesThatLookLikeNumbers) {
  // The bytes of U+AC70 are EA B1 B0; those of U+ACBC are EA B2 BC.
  EXPECT_THAT(Words("falcon", "\uAC70"), ElementsAre("\uAC70"));
  EXPECT_THAT(Words("falcon", "\uACBC"), ElementsAre("\xEA", "\xB2\xBC"));
  EXPECT_THAT(Words("falcon", "12345"), ElementsAre("123", "45"));
}

// By the reference's names: what becomes of the matches of "-" in "a--b-".
TEST(PreTokenizerTest, MatchesGoWhereTheBehaviorSays) {
  const auto cut = [](SplitBehavior behavior, bool invert = false) {
    return WordsBy({{"-", behavior, invert}}, "a--b-");
  };
  EXPECT_THAT(cut(SplitBehavior::kIsolated),
              ElementsAre("a", "-", "-", "b", "-"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved), ElementsAre("a", "b"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved, true), ElementsAre("-", "-", "-"));
  EXPECT_THAT(cut(SplitBehavior::kContiguous),
              ElementsAre("a", "--", "b", "-"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithPrevious),
              ElementsAre("a-", "-", "b-"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithNext),
              ElementsAre("a", "-", "-b", "-"));
}

TEST(PreTokenizerTest, AnEmptyMatchCuts) {
  EXPECT_THAT(WordsBy({{R"((?=(\d{3})+(?!\d)))"}}, "1234567"),
              ElementsAre("1", "234", "567"));
}

TEST(PreTokenizerTest, WithoutStepsATextIsOneWord) {
  EXPECT_THAT(WordsBy({}, "a b"), ElementsAre("a b"));
  EXPECT_THAT(WordsBy({}, ""), IsEmpty());
}

TEST(PreTokenizerTest, RefusesCharactersBehindBytes) {
  const std::vector<SplitStep> steps = {
      {"a", SplitBehavior::kIsolated, false, true}, {"b"}};
  EXPECT_EQ(PreTokenizer::Create(steps).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(PreTokenizer::Create(std::vector<SplitStep>(33)).status().code(),
            absl::StatusCode::kUnimplemented);
}

// A run of code points, and how the reference's pre-tokenizers treat them.
struct ClassRun {
  uint32_t first, last;
  std::string kind;  // Letter, Number, Digit, Space, Other
};

std::vector<ClassRun> ReadRuns() {
  std::ifstream file("tests/data/tokenizer/classes.txt");
  std::vector<ClassRun> runs;
  ClassRun run;
  while (file >> std::hex >> run.first >> run.last >> run.kind) {
    runs.push_back(run);
  }
  return runs;
}

// One word for all of `run` behind a character of its class, so that a single
// code point of another class would add a word; and as many words as code
// points where each is one by itself.
size_t WordsBehind(const PreTokenizer& splitter, char neighbour,
                   const ClassRun& run) {
  std::string text(1, neighbour);
  for (uint32_t c = run.first; c <= run.last; ++c) AppendUtf8(c, &text);
  const auto words = splitter.Words(text);
  return words.ok() ? words->size() : 0;
}

TEST(PreTokenizerTest, KnowsTheClassOfEveryCodePoint) {
  const std::vector<ClassRun> runs = ReadRuns();
  size_t code_points = 0;
  const auto gpt2 = Named("gpt2");
  const auto smollm = Named("smollm");
  ASSERT_TRUE(gpt2.ok() && smollm.ok());
  for (const ClassRun& run : runs) {
    SCOPED_TRACE(testing::Message() << run.kind << std::hex << " U+"
                                    << run.first << " to U+" << run.last);
    const size_t count = run.last - run.first + 1;
    code_points += count;
    const char neighbour = run.kind == "Letter"   ? 'x'
                           : run.kind == "Number" ? '1'
                           : run.kind == "Space"  ? '\n'
                                                  : '!';
    const bool numeric = run.kind == "Number" || run.kind == "Digit";
    EXPECT_EQ(WordsBehind(*gpt2, neighbour, run), 1);
    EXPECT_EQ(WordsBehind(*smollm, neighbour, run), numeric ? 1 + count : 1);
  }
  EXPECT_EQ(code_points, 0x110000 - 0x800) << "classes.txt is incomplete";
}

TEST(PreTokenizerTest, LongRunsAreOneWord) {
  constexpr size_t kCount = 1 << 20;
  for (const std::string_view name : {"smollm", "gpt2", "qwen2", "tekken"}) {
    const auto splitter = Named(name);
    ASSERT_TRUE(splitter.ok());
    for (const char c : {'a', ' ', '\n', '=', '\''}) {
      const std::string run(kCount, c);
      EXPECT_THAT(*splitter->Words(run), ElementsAre(TextRange{0, kCount}))
          << name << c;
      const auto before_a_letter = splitter->Words(run + "\tb\u00E9");
      ASSERT_TRUE(before_a_letter.ok()) << before_a_letter.status();
      EXPECT_EQ(before_a_letter->back().end, kCount + 4);
    }
    std::string korean;
    while (korean.size() < kCount) korean += "\uAC00";
    EXPECT_THAT(*splitter->Words(korean),
                ElementsAre(TextRange{0, korean.size()}));
  }
}

}  // namespace
}  // namespace gist
