#include "core/text/merge_table.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Merged(const MergeTable& table, std::vector<int32_t> ids,
                            size_t begin = 0) {
  table.Apply(begin, &ids);
  return ids;
}

TEST(MergeTableTest, TakesTheBestPairFirst) {
  MergeTable table;
  table.Add(2, 3, 10);
  table.Add(1, 2, 11);
  EXPECT_THAT(Merged(table, {1, 2, 3}), ElementsAre(1, 10));
  EXPECT_THAT(Merged(table, {1, 2, 1}), ElementsAre(11, 1));
}

TEST(MergeTableTest, TakesTheLeftmostOfEquals) {
  MergeTable table;
  table.Add(1, 1, 10);
  EXPECT_THAT(Merged(table, {1, 1, 1}), ElementsAre(10, 1));
}

TEST(MergeTableTest, LeavesWhatIsBeforeBegin) {
  MergeTable table;
  table.Add(1, 1, 10);
  EXPECT_THAT(Merged(table, {1, 1, 1, 1}, 1), ElementsAre(1, 10, 1));
  EXPECT_THAT(Merged(table, {1, 1}, 2), ElementsAre(1, 1));
}

TEST(MergeTableTest, RefusesASecondMergeOfAPair) {
  MergeTable table;
  EXPECT_TRUE(table.Add(1, 2, 10));
  EXPECT_FALSE(table.Add(1, 2, 11));
  EXPECT_THAT(Merged(table, {1, 2}), ElementsAre(10));
}

// The definition, word for word.
std::vector<int32_t> MergedByDefinition(
    const std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>>& table,
    std::vector<int32_t> ids) {
  while (true) {
    std::pair<int, size_t> best = {1 << 30, 0};
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = table.find({ids[i], ids[i + 1]});
      if (found != table.end()) best = std::min(best, {found->second.first, i});
    }
    if (best.first == 1 << 30) return ids;
    const size_t at = best.second;
    ids[at] = table.at({ids[at], ids[at + 1]}).second;
    ids.erase(ids.begin() + at + 1);
  }
}

// Lengths on both sides of where a heap takes over.
TEST(MergeTableTest, EqualsTheDefinitionOnRandomWords) {
  std::mt19937 random(5);
  const auto below = [&](int limit) {
    return static_cast<int32_t>(random() % limit);
  };
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> definition;
    const int symbols = 2 + below(4);
    for (int rank = 0; rank < 20; ++rank) {
      const std::pair pair(below(symbols + rank), below(symbols + rank));
      if (table.Add(pair.first, pair.second, symbols + rank)) {
        definition[pair] = {rank, symbols + rank};
      }
    }
    std::vector<int32_t> word(below(150));
    for (int32_t& id : word) id = below(symbols);
    ASSERT_EQ(Merged(table, word), MergedByDefinition(definition, word))
        << "round " << round;
  }
}

}  // namespace
}  // namespace gist
