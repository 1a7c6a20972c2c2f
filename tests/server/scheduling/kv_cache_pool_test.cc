#include "server/scheduling/kv_cache_pool.h"

#include "gtest/gtest.h"

namespace gist {
namespace {

struct Sized : Sequence {
  explicit Sized(int64_t its_bytes) : bytes(its_bytes) {}
  int tokens() const override { return 1; }
  int64_t kv_bytes() const override { return bytes; }
  const int64_t bytes;
};

void Put(KvCachePool& cache, const std::string& owner, int32_t token,
         int64_t bytes) {
  cache.Put({owner, {token}, {"doc" + std::to_string(token)}},
            std::make_unique<Sized>(bytes));
}

// Its size, or 0 where it is not there. Takes it.
int64_t Take(KvCachePool& cache, const std::string& owner, int32_t token) {
  const auto sequence = cache.Take(owner, std::vector<int32_t>{token});
  return sequence == nullptr ? 0 : sequence->kv_bytes();
}

TEST(SequenceCacheTest, GivesBackWhatWasPutOnceAndToItsOwnerAlone) {
  KvCachePool cache(100);
  Put(cache, "a", 1, 10);
  EXPECT_EQ(cache.bytes(), 10);
  EXPECT_EQ(Take(cache, "b", 1), 0);
  EXPECT_EQ(Take(cache, "a", 2), 0);
  EXPECT_EQ(Take(cache, "a", 1), 10);
  EXPECT_EQ(Take(cache, "a", 1), 0);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(SequenceCacheTest, TheLeastRecentlyUsedGoesFirst) {
  KvCachePool cache(30);
  for (const int32_t token : {1, 2, 3}) Put(cache, "", token, 10);
  Put(cache, "", 1, Take(cache, "", 1));  // used
  Put(cache, "", 4, 10);
  EXPECT_EQ(Take(cache, "", 2), 0);
  EXPECT_EQ(Take(cache, "", 1), 10);
  EXPECT_EQ(Take(cache, "", 3), 10);
  EXPECT_EQ(Take(cache, "", 4), 10);
}

TEST(SequenceCacheTest, NeverHoldsMoreThanItsBound) {
  KvCachePool cache(30);
  Put(cache, "", 1, 10);
  Put(cache, "", 2, 31);  // larger than the whole: the others stay
  EXPECT_EQ(cache.bytes(), 10);
  Put(cache, "", 3, 30);
  EXPECT_EQ(cache.bytes(), 30);
  EXPECT_EQ(Take(cache, "", 1), 0);
  Put(cache, "", 3, 20);  // in place of the one of the same key
  EXPECT_EQ(cache.bytes(), 20);
  KvCachePool none(0);
  Put(none, "", 1, 1);
  EXPECT_EQ(Take(none, "", 1), 0);
}

TEST(SequenceCacheTest, ForgetsWhatWasReadFromADocument) {
  KvCachePool cache(100);
  Put(cache, "a", 1, 10);
  Put(cache, "b", 1, 10);
  cache.Put({"", {1, 2}, {"doc1", "doc2"}}, std::make_unique<Sized>(10));
  Put(cache, "", 2, 5);
  cache.Forget("doc1");
  EXPECT_EQ(cache.bytes(), 5);
  EXPECT_EQ(Take(cache, "", 2), 5);
}

}  // namespace
}  // namespace gist
