#include "core/model/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace gist {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

std::map<int32_t, int> Draw(const Sampling& sampling, int times) {
  Sampler sampler(sampling);
  std::map<int32_t, int> counts;
  for (int i = 0; i < times; ++i) ++counts[sampler.Next(kLogits)];
  return counts;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheBest) {
  EXPECT_EQ(Draw({}, 3), (std::map<int32_t, int>{{1, 3}}));
}

TEST(SamplerTest, SameSeedSameTokens) {
  const Sampling sampling{.temperature = 1.0f, .seed = 7};
  Sampler a(sampling), b(sampling);
  Sampler other({.temperature = 1.0f, .seed = 8});
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const int32_t token = a.Next(kLogits);
    EXPECT_EQ(token, b.Next(kLogits));
    differs |= token != other.Next(kLogits);
  }
  EXPECT_TRUE(differs);
}

TEST(SamplerTest, TopKKeepsTheBestK) {
  const auto counts = Draw({.temperature = 5.0f, .top_k = 3}, 1000);
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(2) && counts.contains(3));
}

TEST(SamplerTest, TopPKeepsTheSmallestSetThatReachesP) {
  // Softmax: 0.41, 0.41 for tokens 1 and 3, then 0.15, 0.06, 0.01.
  EXPECT_EQ(Draw({.temperature = 1.0f, .top_p = 0.3f}, 200).size(), 1u);
  EXPECT_EQ(Draw({.temperature = 1.0f, .top_p = 0.6f}, 200).size(), 2u);
  EXPECT_EQ(Draw({.temperature = 1.0f, .top_p = 0.9f}, 500).size(), 3u);
}

TEST(SamplerTest, FrequenciesFollowTheSoftmax) {
  const int draws = 20000;
  const auto counts = Draw({.temperature = 1.0f, .seed = 3}, draws);
  double total = 0;
  for (const float logit : kLogits) total += std::exp(logit);
  for (size_t id = 0; id < kLogits.size(); ++id) {
    const auto found = counts.find(int32_t(id));
    const double got =
        found == counts.end() ? 0 : double(found->second) / draws;
    EXPECT_NEAR(got, std::exp(kLogits[id]) / total, 0.015) << id;
  }
}

TEST(SamplerTest, RefusesLogitsThatAreNotFinite) {
  EXPECT_TRUE(CheckLogits(kLogits).ok());
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits = kLogits;
    logits[3] = bad;
    const absl::Status status = CheckLogits(logits);
    EXPECT_TRUE(absl::IsInternal(status)) << status;
    EXPECT_NE(status.ToString().find("token 3"), std::string::npos) << status;
  }
}

TEST(SamplerTest, LowTemperatureIsNearlyGreedy) {
  const auto counts = Draw({.temperature = 0.01f}, 200);
  for (const auto& [id, count] : counts) EXPECT_TRUE(id == 1 || id == 3) << id;
}

}  // namespace
}  // namespace gist
