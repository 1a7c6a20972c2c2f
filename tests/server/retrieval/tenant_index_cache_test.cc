#include "server/retrieval/tenant_index_cache.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

const ChunkSettings kSettings{"embedder", 200, 40};

std::unique_ptr<TenantIndexes> IndexWith(const std::string& document_id) {
  ChunkIndex chunks{.embedder_fingerprint = kSettings.embedder_fingerprint,
                    .max_tokens = kSettings.max_tokens,
                    .overlap_tokens = kSettings.overlap_tokens,
                    .chunks = {{0, 1, 1}},
                    .vectors = VectorIndex(2, {})};
  EXPECT_THAT(chunks.vectors.Add(0, std::vector<float>{1, 0}), IsOk());
  auto index = std::make_unique<TenantIndexes>(
      TenantIndexes{.vectors = TenantIndex(kSettings, 2)});
  EXPECT_THAT(
      index->vectors.Add(document_id, chunks, [] { return absl::OkStatus(); }),
      IsOk());
  for (const auto& [label, chunk] : index->vectors.ChunksOf(document_id))
    index->words.Add(label, "two words");
  return index;
}

const int64_t kOne = IndexWith("a")->memory_bytes();

void Put(TenantIndexCache& cache, const std::string& tenant) {
  auto lease = cache.Take(tenant);
  lease.index = IndexWith(tenant + "'s");
  EXPECT_THAT(lease.Reserve(lease.index->memory_bytes()), IsOk());
}
bool Has(TenantIndexCache& cache, const std::string& tenant) {
  return cache.Take(tenant).index != nullptr;
}

TEST(TenantIndexCacheTest, KeepsTheLatestWithinTheBound) {
  TenantIndexCache cache(2 * kOne);
  Put(cache, "a");
  Put(cache, "b");
  EXPECT_EQ(cache.bytes(), 2 * kOne);
  EXPECT_TRUE(Has(cache, "a"));
  Put(cache, "c");
  EXPECT_EQ(cache.bytes(), 2 * kOne);
  EXPECT_FALSE(Has(cache, "b"));
  EXPECT_TRUE(Has(cache, "a"));
  EXPECT_TRUE(Has(cache, "c"));
  cache.Take("a").index.reset();
  EXPECT_EQ(cache.bytes(), kOne);
}

TEST(TenantIndexCacheTest, WhatIsLentCountsAndIsNotTaken) {
  TenantIndexCache cache(2 * kOne);
  Put(cache, "a");
  const auto a = cache.Take("a");
  Put(cache, "b");
  auto c = cache.Take("c");
  c.index = IndexWith("c's");
  EXPECT_THAT(c.Reserve(kOne), IsOk()) << "b makes way";
  EXPECT_FALSE(Has(cache, "b"));
  EXPECT_THAT(c.Reserve(kOne + 1),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("try again")));
  EXPECT_THAT(
      c.Reserve(2 * kOne + 1),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("--max-index-bytes")));
  EXPECT_EQ(cache.bytes(), 2 * kOne);
}

TEST(TenantIndexCacheTest, ForgetsADocumentAlsoWhereItIsLent) {
  TenantIndexCache cache(2 * kOne);
  Put(cache, "a");
  Put(cache, "b");
  cache.Forget("a's");
  {
    const auto b = cache.Take("b");
    cache.Forget("b's");
    EXPECT_TRUE(b.index->vectors.Holds("b's")) << "its user reads it";
  }
  EXPECT_FALSE(cache.Take("a").index->vectors.Holds("a's"));
  EXPECT_FALSE(cache.Take("b").index->vectors.Holds("b's"));
}

}  // namespace
}  // namespace gist
