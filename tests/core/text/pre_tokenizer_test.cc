#include "core/text/pre_tokenizer.h"

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Words(std::string_view pre_tokenizer,
                               std::string_view text) {
  const auto splitter = PreTokenizer::Create(pre_tokenizer);
  if (!splitter.ok()) return {splitter.status().ToString()};
  const auto ends = splitter->WordEnds(text);
  if (!ends.ok()) return {ends.status().ToString()};
  std::vector<std::string> words;
  size_t begin = 0;
  for (const uint32_t end : *ends) {
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
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
  const auto splitter = PreTokenizer::Create("llama-bpe");
  EXPECT_EQ(splitter.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(splitter.status().message()),
              HasSubstr(R"("llama-bpe", want "smollm" or "gpt2")"));
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
  const auto ends = splitter.WordEnds(text);
  return ends.ok() ? ends->size() : 0;
}

TEST(PreTokenizerTest, KnowsTheClassOfEveryCodePoint) {
  const std::vector<ClassRun> runs = ReadRuns();
  size_t code_points = 0;
  const auto gpt2 = PreTokenizer::Create("gpt2");
  const auto smollm = PreTokenizer::Create("smollm");
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
  constexpr size_t kCount = 5 << 20;
  for (const std::string_view name : {"smollm", "gpt2"}) {
    const auto splitter = PreTokenizer::Create(name);
    ASSERT_TRUE(splitter.ok());
    for (const char c : {'a', ' ', '\n', '=', '\''}) {
      const std::string run(kCount, c);
      EXPECT_THAT(*splitter->WordEnds(run), ElementsAre(kCount)) << name << c;
      const auto before_a_letter = splitter->WordEnds(run + "\tb\u00E9");
      ASSERT_TRUE(before_a_letter.ok()) << before_a_letter.status();
      EXPECT_EQ(before_a_letter->back(), kCount + 4);
    }
    std::string korean;
    while (korean.size() < kCount) korean += "\uAC00";
    EXPECT_THAT(*splitter->WordEnds(korean), ElementsAre(korean.size()));
  }
}

}  // namespace
}  // namespace gist
