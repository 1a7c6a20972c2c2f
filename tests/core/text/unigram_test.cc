// A small vocabulary in XLM-RoBERTa's form against the reference's ids and
// offsets (tests/reference/make_unigram_golden.py), and what is refused.
#include "core/text/unigram.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/retrieval/chunker.h"
#include "core/text/sentence_tokenizer.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/embed/token_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json ReadFile() {
  std::ifstream file("tests/data/unigram/tokenizer.json");
  return json::parse(file);
}

// As what `edit` makes of the file says.
absl::StatusOr<std::unique_ptr<SentenceTokenizer>> LoadWith(
    const std::function<void(json&)>& edit) {
  const TempDir folder;
  json file = ReadFile();
  edit(file);
  std::ofstream(folder / "tokenizer.json") << file.dump();
  return SentenceTokenizer::Load(folder.path());
}

// What transformers writes since 2024: words end at spaces.
void UseSpaces(json& file, bool strip) {
  json steps = {file["normalizer"]};
  if (strip) {
    steps.push_back(
        {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
  }
  steps.push_back({{"type", "Replace"},
                   {"pattern", {{"Regex", " {2,}"}}},
                   {"content", "\u2581"}});
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  file["pre_tokenizer"] = file["pre_tokenizer"]["pretokenizers"][1];
}

TEST(UnigramTest, EqualsTheReferenceTokenByToken) {
  const std::vector<std::string> lines = ReadLines("wordpiece/lines.jsonl");
  const std::vector<std::string> wanted = ReadLines("unigram/hashes.txt");
  ASSERT_EQ(lines.size(), 5'000);
  ASSERT_EQ(wanted.size(), lines.size() * 3);
  const std::array<std::function<void(json&)>, 3> kinds = {
      [](json&) {}, [](json& file) { UseSpaces(file, false); },
      [](json& file) { UseSpaces(file, true); }};
  size_t at = 0;
  for (const auto& kind : kinds) {
    const auto tokenizer = LoadWith(kind);
    ASSERT_THAT(tokenizer, IsOk());
    ExpectTokens(**tokenizer, lines,
                 std::span(wanted).subspan(at, lines.size()),
                 /*of_begins=*/true);
    at += lines.size();
  }
}

std::unique_ptr<Unigram> MustCreate(
    std::vector<std::pair<std::string, double>> pieces, UnigramWords words) {
  UnigramSpec spec{.pieces = {{"<s>", 0}, {"<pad>", 0}, {"</s>", 0}},
                   .is_special = {},
                   .unknown_id = 3,
                   .charsmap = {},
                   .words = words};
  spec.pieces.emplace_back("<unk>", 0);
  for (auto& piece : pieces) spec.pieces.push_back(std::move(piece));
  spec.is_special.resize(spec.pieces.size());
  auto made = Unigram::Create(std::move(spec));
  EXPECT_THAT(made, IsOk());
  return *std::move(made);
}

TEST(UnigramTest, TakesTheMostProbablePieces) {
  const auto t = MustCreate({{"\u2581", -4},  // id 4
                             {"a", -2},
                             {"b", -2},
                             {"ab", -3},
                             {"\u2581ab", -9},  // 8: less than 4 and 7
                             {"abab", -5}},     // 9: more than 7 and 7
                            UnigramWords::kWhitespace);
  EXPECT_THAT(ShowTokens(*t, "ab  abab\n"),
              ElementsAre("4:0-1", "+7:0-2", "4:4-5", "+9:4-8"));
  // What no piece covers is one token; the text may be cut around ideographs.
  EXPECT_THAT(ShowTokens(*t, "aXY\u6F22b"),
              ElementsAre("4:0-1", "+5:0-1", "+3:1-6", "6:6-7"));
  EXPECT_TRUE(ShowTokens(*t, "").empty());
  EXPECT_TRUE(ShowTokens(*t, " \t\u3000").empty());
  EXPECT_EQ(t->Encode("ab ab ab", 3)->size(), 3);
}

TEST(UnigramTest, SpecialTokensInTextStayText) {
  const auto t = LoadWith([](json&) {});
  ASSERT_THAT(t, IsOk());
  EXPECT_EQ((*t)->first_id(), 0);
  EXPECT_EQ((*t)->pad_id(), 1);
  EXPECT_EQ((*t)->last_id(), 2);
  EXPECT_EQ((*t)->unknown_id(), 3);
  const auto tokens = (*t)->Encode("<s> </s><pad> a");
  ASSERT_THAT(tokens, IsOk());
  EXPECT_GT(tokens->size(), 8);
  for (const SentenceToken& token : *tokens) {
    EXPECT_GE(token.id, 3);
  }
}

// A cut in front of a token that starts a word leaves the others as they are,
// unless it is within a word: then a mark is added.
TEST(UnigramTest, ChunksFitAndRise) {
  const auto t = LoadWith([](json&) {});
  ASSERT_THAT(t, IsOk());
  std::string text;
  for (const std::string& line : ReadLines("wordpiece/lines.jsonl")) {
    text += json::parse(line).get<std::string>() + " ";
  }
  text += "\u6F22\u5B57\u3002" + std::string(3'000, 'x');
  for (int i = 0; i < 300; ++i) text += "\uFDFA";  // 18 letters and spaces
  const ChunkOptions options{.max_tokens = 40, .overlap_tokens = 8};
  const auto chunks = ChunkText(text, **t, options);
  ASSERT_THAT(chunks, IsOk());
  ASSERT_GT(chunks->size(), 500);
  size_t begin = 0, end = 0;
  int over = 0;
  for (const Chunk& chunk : *chunks) {
    ASSERT_LT(chunk.begin, chunk.end);
    EXPECT_LE(chunk.tokens, options.max_tokens);
    if (end > 0) {
      EXPECT_LT(begin, chunk.begin);
    }
    EXPECT_LT(end, chunk.end);
    const auto alone = (*t)->Encode(chunk.TextIn(text));
    ASSERT_THAT(alone, IsOk());
    over = std::max(over, int(alone->size()) - chunk.tokens);
    begin = chunk.begin;
    end = chunk.end;
  }
  EXPECT_LE(over, 2);
}

TEST(UnigramTest, CutsChineseAtItsFullStops) {
  const auto t = MustCreate({{"\u2581", -4}, {"\u3002", -3}, {"\u6F22", -2}},
                            UnigramWords::kWhitespace);
  const std::string sentence = "\u6F22\u6F22\u6F22\u6F22\u3002";
  const std::string text = sentence + sentence + sentence + sentence;
  const auto chunks =
      ChunkText(text, *t, {.max_tokens = 12, .overlap_tokens = 0});
  ASSERT_THAT(chunks, IsOk());
  ASSERT_EQ(chunks->size(), 2);
  EXPECT_EQ((*chunks)[0].TextIn(text), sentence + sentence);
}

TEST(UnigramFilesTest, NamesWhatItDoesNotKnow) {
  const auto refused = [](absl::StatusCode code, const char* text,
                          const std::function<void(json&)>& edit) {
    EXPECT_THAT(LoadWith(edit), StatusIs(code, HasSubstr(text)));
  };
  constexpr auto kUnknown = absl::StatusCode::kUnimplemented;
  constexpr auto kBroken = absl::StatusCode::kDataLoss;
  refused(kUnknown, "byte_fallback is",
          [](json& file) { file["model"]["byte_fallback"] = true; });
  refused(kUnknown, "normalizer is", [](json& file) {
    file["normalizer"] = {{"type", "NFKC"}};
  });
  refused(kUnknown, "prepend_scheme is", [](json& file) {
    file["pre_tokenizer"]["pretokenizers"][1]["prepend_scheme"] = "never";
  });
  refused(kUnknown, "Replace of spaces", [](json& file) {
    file["pre_tokenizer"] = file["pre_tokenizer"]["pretokenizers"][1];
  });
  refused(kUnknown, "steps of pre_tokenizer",
          [](json& file) { file.erase("pre_tokenizer"); });
  refused(kBroken, "charsmap", [](json& file) {
    file["normalizer"]["precompiled_charsmap"] = "AAAA";
  });
  refused(kBroken, "base64",
          [](json& file) { file["normalizer"]["precompiled_charsmap"] = "?"; });
  refused(kBroken, "unk_id is",
          [](json& file) { file["model"]["unk_id"] = 1'000'000; });
  refused(kBroken, "model.vocab 7 is",
          [](json& file) { file["model"]["vocab"][7] = "a"; });
  refused(kBroken, "no <pad>",
          [](json& file) { file["model"]["vocab"][1][0] = "[PAD]"; });
  refused(kBroken, "piece 9 is",
          [](json& file) { file["model"]["vocab"][9][0] = ""; });
}

}  // namespace
}  // namespace gist
