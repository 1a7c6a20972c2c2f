#include "core/retrieval/chunk_index.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;

ChunkIndex Sample() {
  ChunkIndex index{.embedder_fingerprint = std::string(64, 'a'),
                   .max_tokens = 200,
                   .overlap_tokens = 40,
                   .chunks = {{0, 100, 20}, {80, 240, 33}},
                   .vectors = VectorIndex(2, {})};
  EXPECT_THAT(index.vectors.Add(0, std::vector<float>{1, 0}), IsOk());
  EXPECT_THAT(index.vectors.Add(1, std::vector<float>{0, 1}), IsOk());
  return index;
}

TEST(ChunkIndexTest, ComesBackFromItsBytes) {
  const ChunkIndex index = Sample();
  const auto bytes = EncodeChunkIndex(index);
  ASSERT_THAT(bytes, IsOk());
  const auto copy = DecodeChunkIndex(*bytes);
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->embedder_fingerprint, index.embedder_fingerprint);
  EXPECT_EQ(copy->max_tokens, 200);
  EXPECT_EQ(copy->overlap_tokens, 40);
  EXPECT_EQ(copy->chunks, index.chunks);
  EXPECT_EQ((*copy->vectors.Search(std::vector<float>{0, 1}, 1, 10))[0].label,
            1u);
}

TEST(ChunkIndexTest, EveryDamageIsFound) {
  const std::string bytes = EncodeChunkIndex(Sample()).value();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = char(damaged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(DecodeChunkIndex(damaged).ok()) << "byte " << i;
    EXPECT_FALSE(DecodeChunkIndex(bytes.substr(0, i)).ok()) << i << " bytes";
  }
}

TEST(ChunkIndexTest, ChunksWithoutVectorsAreDamage) {
  ChunkIndex index = Sample();
  index.chunks.push_back({240, 300, 10});
  EXPECT_THAT(DecodeChunkIndex(EncodeChunkIndex(index).value()),
              StatusIs(StatusCode::kDataLoss, _));
}

}  // namespace
}  // namespace gist
