#include "server/scheduling/kv_cache_pool.h"

#include "gtest/gtest.h"

namespace gist {
namespace {

template <typename Sequence>
struct Sized : Sequence {
  explicit Sized(int64_t its_bytes) : bytes(its_bytes) {}
  int tokens() const override { return 1; }
  int64_t kv_bytes() const override { return bytes; }
  const int64_t bytes;
};
using SizedPrompt = Sized<PromptSequence>;
using SizedDocument = Sized<DocumentSequence>;

void Put(KvCachePool& cache, const std::string& owner, int32_t token,
         int64_t bytes) {
  cache.Put({owner, {token}, {"doc" + std::to_string(token)}},
            std::make_unique<SizedPrompt>(bytes));
}

// Its size, or 0 where it is not there. Takes it.
int64_t Take(KvCachePool& cache, const std::string& owner, int32_t token) {
  const auto sequence = cache.TakePrompt(owner, std::vector<int32_t>{token});
  return sequence == nullptr ? 0 : sequence->kv_bytes();
}

TEST(KvCachePoolTest, GivesBackWhatWasPutOnceAndToItsOwnerAlone) {
  KvCachePool cache(100);
  Put(cache, "a", 1, 10);
  EXPECT_EQ(cache.bytes(), 10);
  EXPECT_EQ(Take(cache, "b", 1), 0);
  EXPECT_EQ(Take(cache, "a", 2), 0);
  EXPECT_EQ(Take(cache, "a", 1), 10);
  EXPECT_EQ(Take(cache, "a", 1), 0);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(KvCachePoolTest, TheLeastRecentlyUsedGoesFirst) {
  KvCachePool cache(30);
  for (const int32_t token : {1, 2, 3}) Put(cache, "", token, 10);
  Put(cache, "", 1, Take(cache, "", 1));  // used
  Put(cache, "", 4, 10);
  EXPECT_EQ(Take(cache, "", 2), 0);
  EXPECT_EQ(Take(cache, "", 1), 10);
  EXPECT_EQ(Take(cache, "", 3), 10);
  EXPECT_EQ(Take(cache, "", 4), 10);
}

TEST(KvCachePoolTest, NeverHoldsMoreThanItsBound) {
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

TEST(KvCachePoolTest, ForgetsWhatWasReadFromADocument) {
  KvCachePool cache(100);
  Put(cache, "a", 1, 10);
  Put(cache, "b", 1, 10);
  cache.Put({"", {1, 2}, {"doc1", "doc2"}}, std::make_unique<SizedPrompt>(10));
  Put(cache, "", 2, 5);
  cache.Forget("doc1");
  EXPECT_EQ(cache.bytes(), 5);
  EXPECT_EQ(Take(cache, "", 2), 5);
}

TEST(KvCachePoolTest, KeepsDocumentsAndPromptsOfOneTextApart) {
  KvCachePool cache(100);
  const std::vector<int32_t> tokens = {1};
  Put(cache, "a", 1, 10);
  EXPECT_EQ(cache.TakeDocument("a", tokens), nullptr);
  cache.Put({"a", tokens, {"doc1"}}, std::make_unique<SizedDocument>(20));
  EXPECT_EQ(cache.bytes(), 30);
  EXPECT_EQ(Take(cache, "a", 1), 10);
  const auto document = cache.TakeDocument("a", tokens);
  ASSERT_NE(document, nullptr);
  EXPECT_EQ(document->kv_bytes(), 20);
}

}  // namespace
}  // namespace gist
