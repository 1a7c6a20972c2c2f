#include "core/scoring/metrics.h"

#include <fstream>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

constexpr double kTolerance = 1e-12;

nlohmann::json Golden() {
  std::ifstream file("tests/data/longbench/metrics.json");
  return nlohmann::json::parse(file);
}

// Against tests/reference/make_metrics_golden.py and the package rouge.
TEST(MetricsTest, ScoreAsTheReferenceDoes) {
  const auto golden = Golden();
  const auto classes = golden["classes"].get<std::vector<std::string>>();
  ASSERT_GE(golden["pairs"].size(), 190u);
  for (const auto& pair : golden["pairs"]) {
    const auto prediction = pair["prediction"].get<std::string>();
    const auto truth = pair["truth"].get<std::string>();
    SCOPED_TRACE(pair.dump());
    const auto expect = [&](const char* name, double score) {
      EXPECT_NEAR(score, pair[name].get<double>(), kTolerance) << name;
    };
    EXPECT_EQ(NormalizeAnswer(prediction), pair["normalized"]);
    expect("exact", ExactScore(prediction, truth));
    expect("containment", ContainmentScore(prediction, truth));
    expect("f1", F1Score(prediction, truth));
    expect("rouge_l", RougeLScore(prediction, truth));
    expect("classification", ClassificationScore(prediction, truth, classes));
    expect("count", CountScore(prediction, truth));
    expect("retrieval", RetrievalScore(prediction, truth));
  }
}

TEST(MetricsTest, WilsonIntervalIsTheReferences) {
  const auto golden = Golden();
  for (const auto& row : golden.at("wilson")) {
    const Interval interval = WilsonInterval(row[0], row[1]);
    EXPECT_NEAR(interval.low, row[2].get<double>(), kTolerance);
    EXPECT_NEAR(interval.high, row[3].get<double>(), kTolerance);
  }
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

// For shares of many samples both intervals nearly agree.
TEST(MetricsTest, BootstrapIntervalIsNearTheNormalOne) {
  std::vector<double> scores(400, 0.0);
  for (size_t i = 0; i < 300; ++i) scores[i] = 1;
  const Interval bootstrap = BootstrapInterval(scores, 4000, 1);
  const Interval wilson = WilsonInterval(300, 400);
  EXPECT_NEAR(bootstrap.low, wilson.low, 0.01);
  EXPECT_NEAR(bootstrap.high, wilson.high, 0.01);
  EXPECT_EQ(bootstrap.low, BootstrapInterval(scores, 4000, 1).low);
  EXPECT_EQ(BootstrapInterval({}, 10, 1).high, 1);
}

}  // namespace
}  // namespace gist
