#include "core/retrieval/chunker.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/wordpiece.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/embed/tiny_wordpiece.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Single characters are tokens, so are these words.
std::unique_ptr<WordPiece> Words() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
  for (char c = '!'; c < 127; ++c) {
    if (c >= 'A' && c <= 'Z') continue;
    tokens.emplace_back(1, c);
    tokens.push_back(fmt::format("##{}", c));
  }
  for (const char* word : {"one", "two", "three", "four", "five", "dr"}) {
    tokens.emplace_back(word);
  }
  return *WordPiece::Create({.tokens = tokens});
}

std::vector<std::string> Cut(std::string_view text, ChunkOptions options) {
  static const auto tokenizer = Words();
  const auto chunks = ChunkText(text, *tokenizer, options);
  EXPECT_THAT(chunks, IsOk());
  std::vector<std::string> parts;
  for (const Chunk& chunk : *chunks) {
    parts.emplace_back(text.substr(chunk.begin, chunk.end - chunk.begin));
  }
  return parts;
}

std::string Repeat(std::string_view text, int times) {
  std::string whole;
  for (int i = 0; i < times; ++i) whole += text;
  return whole;
}

TEST(ChunkerTest, AShortTextIsOneChunk) {
  EXPECT_THAT(Cut("  one two. \n", {}), ElementsAre("one two."));
  EXPECT_THAT(Cut("", {}), IsEmpty());
  EXPECT_THAT(Cut(" \n\t\u3000\u0085 ", {}), IsEmpty());
}

TEST(ChunkerTest, EndsAtTheLastSentenceThatFits) {
  EXPECT_THAT(
      Cut("One two three. Four five one. Two three four five.",
          {.max_tokens = 10, .overlap_tokens = 0}),
      ElementsAre("One two three. Four five one.", "Two three four five."));
}

TEST(ChunkerTest, RepeatsWholeSentencesWhereTheyFill) {
  EXPECT_THAT(Cut("One two three. Four five one. Two three four five.",
                  {.max_tokens = 10, .overlap_tokens = 5}),
              ElementsAre("One two three. Four five one.",
                          "Four five one. Two three four five."));
}

TEST(ChunkerTest, ElseRepeatsWords) {
  EXPECT_THAT(Cut("One two three four five. Two three four five one.",
                  {.max_tokens = 8, .overlap_tokens = 2}),
              ElementsAre("One two three four five.",
                          "five. Two three four five one."));
}

TEST(ChunkerTest, PrefersAParagraphInTheLastQuarter) {
  EXPECT_THAT(
      Cut("One two three four five one\n\nTwo. three four five one",
          {.max_tokens = 8, .overlap_tokens = 0}),
      ElementsAre("One two three four five one", "Two. three four five one"));
}

TEST(ChunkerTest, ALongSentenceIsCutAtAClauseThenAtWords) {
  EXPECT_THAT(Cut("one two three, four five one two three four",
                  {.max_tokens = 8, .overlap_tokens = 0}),
              ElementsAre("one two three,", "four five one two three four"));
  EXPECT_THAT(Cut("one two three four five one two three four five",
                  {.max_tokens = 8, .overlap_tokens = 2}),
              ElementsAre("one two three four five one two three",
                          "two three four five"));
}

TEST(ChunkerTest, AbbreviationsAndNumbersEndNoSentence) {
  for (const char* no_end : {"Dr. Five", "J. Five", "3.5", "e.g. five"}) {
    const std::string text =
        fmt::format("One two. one {} three four five one.", no_end);
    EXPECT_THAT(Cut(text, {.max_tokens = 9, .overlap_tokens = 0}).front(),
                testing::Not(testing::EndsWith(".")))
        << text;
  }
  EXPECT_THAT(Cut("one two. three one. Five one two three.",
                  {.max_tokens = 10, .overlap_tokens = 0}),
              ElementsAre("one two. three one.", "Five one two three."));
}

TEST(ChunkerTest, QuotesAndBracketsStayWithTheirSentence) {
  EXPECT_THAT(Cut("(\"One two three.\") Four five one two.",
                  {.max_tokens = 9, .overlap_tokens = 0}),
              ElementsAre("(\"One two three.\")", "Four five one two."));
}

TEST(ChunkerTest, KnowsKoreanSentencesWithAndWithoutPunctuation) {
  EXPECT_THAT(Cut("열쇠가 어디 있나. 문을 연다. 길을 간다 또 온다",
                  {.max_tokens = 9, .overlap_tokens = 0}),
              ElementsAre("열쇠가 어디 있나. 문을 연다.", "길을 간다 또 온다"));
  EXPECT_THAT(Cut("문을 열고 들어가서 찾았습니다 그리고 다시 나왔고 길을 건너",
                  {.max_tokens = 8, .overlap_tokens = 0}),
              ElementsAre("문을 열고 들어가서 찾았습니다",
                          "그리고 다시 나왔고 길을 건너"));
}

TEST(ChunkerTest, CutsChineseAtItsFullStops) {
  EXPECT_THAT(Cut("鑰匙在哪裡。門開了。他走了又回來。",
                  {.max_tokens = 10, .overlap_tokens = 0}),
              ElementsAre("鑰匙在哪裡。門開了。", "他走了又回來。"));
}

TEST(ChunkerTest, PiecesOfAnEndlessWordAreReadable) {
  const std::string text = "one " + std::string(250, 'x') + " two";
  const auto parts = Cut(text, {});
  EXPECT_THAT(parts,
              ElementsAre("one " + std::string(100, 'x'), std::string(100, 'x'),
                          std::string(50, 'x') + " two"));
}

TEST(ChunkerTest, BytesBoundAChunkToo) {
  const std::string text =
      "one" + std::string(9000, ' ') + "two" + Repeat("\u200B", 3000) + "three";
  const auto parts = Cut(text, {});
  ASSERT_EQ(parts.size(), 4);
  EXPECT_EQ(parts[0], "one");
  for (const std::string& part : parts) EXPECT_LE(part.size(), 4096);
}

TEST(ChunkerTest, DroppedCharactersAreCoveredToo) {
  EXPECT_THAT(Cut("\x01 \x02", {}), ElementsAre("\x01 \x02"));
  EXPECT_THAT(Cut(" \x01one \x02 two\x03 ", {}),
              ElementsAre("\x01one \x02 two\x03"));
}

TEST(ChunkerTest, RefusesOptionsThatMakeNoSense) {
  const auto tokenizer = Words();
  const auto status = [&](ChunkOptions options) {
    return ChunkText("one", *tokenizer, options).status();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(status({.max_tokens = 7}), StatusIs(kInvalid, HasSubstr("7")));
  EXPECT_THAT(status({.max_tokens = 50, .overlap_tokens = 26}),
              StatusIs(kInvalid, HasSubstr("0 to 25")));
  EXPECT_THAT(status({.overlap_tokens = -1}),
              StatusIs(kInvalid, HasSubstr("-1")));
  EXPECT_THAT(status({.max_bytes = 63}), StatusIs(kInvalid, HasSubstr("63")));
  EXPECT_THAT(ChunkText("\xFF", *tokenizer),
              StatusIs(kInvalid, HasSubstr("byte 0")));
}

// --- what holds for every text ----------------------------------------------

class Texts {
 public:
  explicit Texts(unsigned seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }

  std::string Next() {
    static const std::vector<std::string> kPools[] = {
        {"one", "Two", "three", "retrieval", "Dr", "embedding", "x", "42"},
        {"문서를", "나누어", "찾습니다", "열쇠", "값", "한국어는", "ㅋㅋ"},
        {"漢", "字", "東京", "かな", "カタ", "ー"},
        {".", ",", "!", "。", "，", "\"", ")", "(", "…", "—", ". ", "? "},
        {"é", "e\u0301", "\u0301", "\u0323", "\u200B", "\x01", "😀",
         "👩‍👧", "\uFEFF", "\U000E0041", "\u0F71\u0F72"},
        {" ", "  ", "\n", "\n\n", "\t", "\u00A0", "\u3000", "\r\n", "\x0B"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "가나다라마바사아자차카타파하",
         "\u200B\u200B\u200B\u200B\u200B\u200B\u200B\u200B\u200B"}};
    const bool spaced = Below(4) != 0;
    const size_t kinds = 1 + Below(std::size(kPools));
    std::string text;
    for (size_t i = Below(400); i > 0; --i) {
      const auto& pool = kPools[Below(kinds)];
      text += pool[Below(pool.size())];
      if (spaced && Below(5) != 0) text += " ";
    }
    return text;
  }

  ChunkOptions NextOptions() {
    ChunkOptions options;
    options.max_tokens = 8 + int(Below(Below(2) == 0 ? 20 : 250));
    options.overlap_tokens = int(Below(size_t(options.max_tokens) / 2 + 1));
    options.max_bytes = Below(2) == 0 ? 4096 : 64 + Below(400);
    return options;
  }

 private:
  std::mt19937 random_;
};

bool IsSpace(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return (c >= 9 && c <= 13) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

struct Character {
  size_t begin, end;
  bool is_space;
};

std::vector<Character> CharactersOf(std::string_view text) {
  std::vector<Character> characters;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t c = 0;
    const auto length = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
        utf8proc_ssize_t(text.size() - at), &c);
    characters.push_back({at, at + size_t(length), IsSpace(c)});
    at += size_t(length);
  }
  return characters;
}

void ExpectCoverage(std::string_view text, const std::vector<Chunk>& chunks) {
  size_t uncovered = 0, cut = 0;
  for (const Character& c : CharactersOf(text)) {
    bool covered = c.is_space;
    for (const Chunk& chunk : chunks) {
      covered |= chunk.begin <= c.begin && c.end <= chunk.end;
      cut += (chunk.begin > c.begin && chunk.begin < c.end) ||
             (chunk.end > c.begin && chunk.end < c.end);
      if (c.is_space) cut += chunk.begin == c.begin || chunk.end == c.end;
    }
    uncovered += covered ? 0 : 1;
  }
  EXPECT_EQ(uncovered, 0);
  EXPECT_EQ(cut, 0) << "inside a character, or next to white space";
}

void ExpectSound(std::string_view text, const SentenceTokenizer& tokenizer,
                 const ChunkOptions& options) {
  const auto chunks = ChunkText(text, tokenizer, options);
  ASSERT_THAT(chunks, IsOk());
  for (size_t i = 0; i < chunks->size(); ++i) {
    const Chunk& chunk = (*chunks)[i];
    ASSERT_LT(chunk.begin, chunk.end);
    ASSERT_LE(chunk.end, text.size());
    EXPECT_LE(chunk.end - chunk.begin, options.max_bytes);
    EXPECT_LE(chunk.tokens, options.max_tokens);
    const auto alone =
        tokenizer.Encode(text.substr(chunk.begin, chunk.end - chunk.begin));
    EXPECT_EQ(size_t(chunk.tokens), alone->size());
    if (i == 0) continue;
    const Chunk& last = (*chunks)[i - 1];
    EXPECT_GT(chunk.begin, last.begin);
    EXPECT_GT(chunk.end, last.end);
    if (chunk.begin >= last.end) continue;
    EXPECT_LE(
        tokenizer.Encode(text.substr(chunk.begin, last.end - chunk.begin))
            ->size(),
        size_t(options.overlap_tokens));
  }
  ExpectCoverage(text, *chunks);
}

TEST(ChunkerPropertyTest, ChunksFitCoverAndRise) {
  const auto tiny = LoadTinyWordPiece();
  const auto words = Words();
  ASSERT_NE(tiny, nullptr);
  const unsigned first = std::random_device()() % 1'000'000;
  for (unsigned seed = first; seed < first + 400; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Texts texts(seed);
    const std::string text = texts.Next();
    ExpectSound(text, seed % 2 == 0 ? *tiny : *words, texts.NextOptions());
    if (HasFailure()) return;
  }
}

// A span of at most `overlap_tokens` tokens between two words is whole in one
// chunk, where words are short.
TEST(ChunkerPropertyTest, NoShortSpanIsTornApart) {
  const auto tokenizer = Words();
  const unsigned seed = std::random_device()() % 1'000'000;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Texts texts(seed);
  std::string text;
  static const std::array<const char*, 4> kWords = {"one ", "two ", "three ",
                                                    "four "};
  for (int i = 0; i < 2000; ++i) text += kWords[texts.Below(kWords.size())];
  const ChunkOptions options;
  const auto tokens = *tokenizer->Encode(text);
  const auto chunks = *ChunkText(text, *tokenizer, options);
  for (size_t i = 0; i + size_t(options.overlap_tokens) <= tokens.size(); ++i) {
    const size_t begin = tokens[i].begin;
    const size_t end = tokens[i + size_t(options.overlap_tokens) - 1].end;
    EXPECT_TRUE(std::ranges::any_of(chunks, [&](const Chunk& chunk) {
      return chunk.begin <= begin && end <= chunk.end;
    })) << begin;
  }
}

}  // namespace
}  // namespace gist
