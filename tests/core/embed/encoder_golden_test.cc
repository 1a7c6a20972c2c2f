// all-MiniLM-L6-v2 itself, its vectors and what they are for.
#include "tests/core/embed/encoder_golden.h"

#include <memory>
#include <string>
#include <vector>

#include "core/embed/encoder.h"
#include "core/retrieval/chunker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

class EncoderGoldenTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto encoder = SentenceEncoder::Load("third_party/models/all-MiniLM-L6-v2");
    ASSERT_THAT(encoder, IsOk());
    encoder_ = *std::move(encoder);
  }
  static void TearDownTestSuite() { encoder_.reset(); }
  void SetUp() override { ASSERT_NE(encoder_, nullptr); }

  static inline std::unique_ptr<SentenceEncoder> encoder_;
};

TEST_F(EncoderGoldenTest, EqualsTheReference) {
  EXPECT_EQ(encoder_->dimensions(), 384);
  EXPECT_EQ(encoder_->max_text_tokens(), 254);
  ExpectReference(*encoder_, Golden("embed/minilm.safetensors"), 1e-6, 1e-5f);
}

TEST_F(EncoderGoldenTest, FindsTheChunkThatAnswers) {
  std::string text;
  const auto fill = [&](int sentences) {
    for (int i = 0; i < sentences; ++i) {
      text +=
          "The committee inspected the old bridge and counted its cables. "
          "Rain fell on the harbour all afternoon. ";
    }
  };
  fill(60);
  const size_t needle = text.size();
  text += "Mrs. Okonkwo keeps the spare key of flat 12 under a flowerpot. ";
  fill(60);
  const auto chunks = *ChunkText(text, encoder_->tokenizer());
  std::vector<std::string_view> texts = {"Where is the spare key of flat 12?"};
  for (const Chunk& chunk : chunks) {
    texts.push_back(
        std::string_view(text).substr(chunk.begin, chunk.end - chunk.begin));
  }
  const auto rows = encoder_->Encode(texts);
  ASSERT_THAT(rows, IsOk());
  const auto row = [&](size_t i) {
    return std::span(*rows).subspan(i * 384, 384);
  };
  size_t best = 1;
  for (size_t i = 2; i < texts.size(); ++i) {
    if (CosineDistance(row(0), row(i)) < CosineDistance(row(0), row(best))) {
      best = i;
    }
  }
  ASSERT_GT(chunks.size(), 10);
  EXPECT_LE(chunks[best - 1].begin, needle);
  EXPECT_GT(chunks[best - 1].end, needle);
}

}  // namespace
}  // namespace gist
