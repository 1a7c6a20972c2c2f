#include "core/text/words/normalizer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using Kind = NormalizerStep::Kind;

std::string Normalized(const std::vector<NormalizerStep>& steps,
                       std::string_view text, bool is_first = true,
                       bool continues = false) {
  const auto normalizer = Normalizer::Create(steps);
  if (!normalizer.ok()) return normalizer.status().ToString();
  const auto made = normalizer->Apply(text, is_first, continues);
  return made.ok() ? *made : made.status().ToString();
}

TEST(NormalizerTest, MakesUnicodeForms) {
  const std::string apart = "e\u0301\u1112\u1161\u11AB";
  EXPECT_EQ(Normalized({{Kind::kNfc}}, apart), "\u00E9\uD55C");
  EXPECT_EQ(Normalized({{Kind::kNfd}}, "\u00E9\uD55C"), apart);
  EXPECT_EQ(Normalized({{Kind::kNfkc}}, "\uFF21\u2460"), "A1");
  EXPECT_EQ(Normalized({{Kind::kNfkd}}, "\uFF21\u00E9"), "Ae\u0301");
  EXPECT_EQ(Normalized({{Kind::kNfc}}, std::string("a\0b", 3)),
            std::string("a\0b", 3));
}

TEST(NormalizerTest, SentencePieceMarksSpaces) {
  EXPECT_EQ(Normalized(SentencePieceSteps(true, false), " a  b"),
            "\u2581\u2581a\u2581\u2581b");
  EXPECT_EQ(Normalized(SentencePieceSteps(false, false), "a b"), "a\u2581b");
  EXPECT_EQ(Normalized(SentencePieceSteps(true, true), "  a   b "),
            "\u2581a\u2581b");
  EXPECT_EQ(Normalized(SentencePieceSteps(true, false), ""), "");
}

TEST(NormalizerTest, NothingIsPutBeforeTextThatGoesOn) {
  EXPECT_EQ(Normalized(SentencePieceSteps(true, false), "a", true, true), "a");
  EXPECT_EQ(Normalized(SentencePieceSteps(true, false), "a", false), "\u2581a");
  const std::vector<NormalizerStep> first = {
      {Kind::kPrependUnlessThere, "", "_", true}};
  EXPECT_EQ(Normalized(first, "a", true), "_a");
  EXPECT_EQ(Normalized(first, "a", false), "a");
  EXPECT_EQ(Normalized(first, "_a", true), "_a");
}

TEST(NormalizerTest, RefusesAPatternItCannotRead) {
  EXPECT_EQ(Normalizer::Create({{Kind::kReplace, "[a", ""}}).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace gist
