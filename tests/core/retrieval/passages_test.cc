#include "core/retrieval/passages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gist {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BySimilarityTest, PutsTheNearestFirstAndEqualOnesInTheirOrder) {
  const std::vector<float> query = {1, 0};
  const std::vector<float> rows = {0, 1, 0.6f, 0.8f, 1, 0, 0, -1};
  std::vector<size_t> order;
  for (const NearPassage& each : BySimilarity(query, rows))
    order.push_back(each.passage);
  EXPECT_THAT(order, ElementsAre(2, 1, 0, 3));
  EXPECT_FLOAT_EQ(BySimilarity(query, rows)[1].similarity, 0.6f);
  EXPECT_THAT(BySimilarity(query, {}), IsEmpty());
}

class RankPassagesTest : public testing::Test {
 protected:
  std::vector<size_t> Rank(Ranking ranking, size_t count = 10) const {
    return RankPassages(ranking, nearest_, bm25_, count);
  }
  // On one scale: 1, 0.5 and 0; words: 0.5, 0, 0.25, 1 and 0.
  std::vector<NearPassage> nearest_ = {{1, 0.9f}, {2, 0.7f}, {4, 0.5f}};
  std::vector<double> bm25_ = {3, 0, 1.5, 6, 0, 0};
};

TEST_F(RankPassagesTest, DenseIsTheEncodersOrder) {
  EXPECT_THAT(Rank(Ranking::kDense), ElementsAre(1, 2, 4));
}

TEST_F(RankPassagesTest, LexicalLeavesOutWhatSharesNoWord) {
  EXPECT_THAT(Rank(Ranking::kLexical), ElementsAre(3, 0, 2));
}

TEST_F(RankPassagesTest, FusedAddsBothOnOneScale) {
  // 1 + 0, 0 + 1, 0.5 + 0.25, 0 + 0.5, 0 + 0; neither found the last one.
  EXPECT_THAT(Rank(Ranking::kFused), ElementsAre(1, 3, 2, 0, 4));
}

TEST_F(RankPassagesTest, GivesNoMoreThanWanted) {
  EXPECT_THAT(Rank(Ranking::kDense, 2), ElementsAre(1, 2));
  EXPECT_THAT(Rank(Ranking::kLexical, 2), ElementsAre(3, 0));
  EXPECT_THAT(Rank(Ranking::kFused, 2), ElementsAre(1, 3));
}

TEST_F(RankPassagesTest, WithoutACommonWordFusedIsDense) {
  bm25_.assign(6, 0);
  EXPECT_THAT(Rank(Ranking::kFused), ElementsAre(1, 2, 4));
  EXPECT_THAT(Rank(Ranking::kLexical), IsEmpty());
}

TEST_F(RankPassagesTest, OnePassageOrNoneIsNoSpecialCase) {
  nearest_ = {{0, -0.2f}};
  bm25_ = {0};
  EXPECT_THAT(Rank(Ranking::kFused), ElementsAre(0));
  nearest_.clear();
  bm25_.clear();
  EXPECT_THAT(Rank(Ranking::kFused), IsEmpty());
}

}  // namespace
}  // namespace gist
