#include "core/embed/passages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gist {
namespace {

TEST(BySimilarityTest, PutsTheNearestFirstAndEqualOnesInTheirOrder) {
  const std::vector<float> query = {1, 0};
  const std::vector<float> rows = {0, 1, 0.6f, 0.8f, 1, 0, 0, -1};
  EXPECT_THAT(BySimilarity(query, rows), testing::ElementsAre(2, 1, 0, 3));
  EXPECT_THAT(BySimilarity(query, {}), testing::IsEmpty());
}

}  // namespace
}  // namespace gist
