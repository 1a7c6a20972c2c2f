// multilingual-e5-small itself, against the C reader of the package that it
// comes from (tests/reference/make_e5_golden.py).
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/embed/encoder.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/embed/encoder_golden.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

constexpr char kFolder[] = "third_party/models/multilingual-e5-small";

class E5GoldenTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto encoder = SentenceEncoder::Load(kFolder);
    ASSERT_THAT(encoder, IsOk());
    encoder_ = *std::move(encoder);
  }
  static void TearDownTestSuite() { encoder_.reset(); }
  void SetUp() override { ASSERT_NE(encoder_, nullptr); }

  static void ExpectNear(TextKind kind, const char* name) {
    const std::vector<std::string> texts = ReadEmbedTexts("e5_texts.jsonl");
    const std::vector<float> wanted =
        Golden("embed/e5.safetensors").Floats(name);
    ASSERT_EQ(wanted.size(), texts.size() * 384);
    double worst = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string_view text = texts[i];
      const auto row = encoder_->Encode({&text, 1}, kind);
      ASSERT_THAT(row, IsOk());
      const double distance =
          CosineDistance(*row, std::span(wanted).subspan(i * 384, 384));
      EXPECT_LE(distance, 1e-3) << name << " " << i;
      worst = std::max(worst, distance);
    }
    RecordProperty("worst_cosine_distance", fmt::format("{:.2e}", worst));
  }

  static inline std::unique_ptr<SentenceEncoder> encoder_;
};

TEST_F(E5GoldenTest, QueriesAreNearTheReader) {
  ExpectNear(TextKind::kQuery, "queries");
}

TEST_F(E5GoldenTest, PassagesAreNearTheReader) {
  ExpectNear(TextKind::kPassage, "passages");
}

TEST_F(E5GoldenTest, ReadsAsManyTokens) {
  const std::vector<float> wanted =
      Golden("embed/e5.safetensors").Floats("tokens");
  const std::vector<std::string> texts = ReadEmbedTexts("e5_texts.jsonl");
  ASSERT_EQ(wanted.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto tokens = encoder_->tokenizer().Encode("passage: " + texts[i]);
    ASSERT_THAT(tokens, IsOk());
    EXPECT_EQ(float(tokens->size() + 2), wanted[i]) << texts[i];
  }
}

TEST_F(E5GoldenTest, KeepsItsWordsInFourBits) {
  EXPECT_EQ(encoder_->dimensions(), 384);
  EXPECT_LT(encoder_->weight_bytes(), 100'000'000);
  EXPECT_GT(encoder_->weight_bytes(), 90'000'000);
}

}  // namespace
}  // namespace gist
