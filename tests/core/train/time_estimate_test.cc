#include "core/train/time_estimate.h"

#include "gtest/gtest.h"

namespace gist {
namespace {

TrainRecipe Recipe() {
  TrainRecipe recipe;
  recipe.layout.gist_tokens = 8;
  recipe.layout.segment_tokens = 100;
  recipe.stages = {{.name = "only", .steps = 10}};
  recipe.documents_per_step = 1;
  recipe.fresh_segments_per_step = 2;
  recipe.evaluate_every_steps = 5;
  recipe.dev_samples = 3;
  return recipe;
}

TEST(TimeEstimateTest, KnowsNothingBeforeAnythingRan) {
  EXPECT_EQ(TimeEstimate(Recipe(), true).SecondsLeft(0), 0);
}

// 10 steps of 200 tokens read and 60 learnt, which count three times.
TEST(TimeEstimateTest, ComesFromTheReadingBeforeTheFirstStep) {
  TimeEstimate estimate(Recipe(), /*evaluates=*/false);
  estimate.AddReading(100, 500);  // a warm-up
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(0), 10 * 380 * 5);
  estimate.AddReading(100, 1);
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(0), 10 * 380 * 0.01);
}

// Two evaluations and the comparison, of 3 samples of 8 + 40 + 4 x 12 tokens,
// and 36 dev segments twice.
TEST(TimeEstimateTest, CountsEvaluationsAndTheComparison) {
  TimeEstimate estimate(Recipe(), /*evaluates=*/true);
  estimate.AddReading(100, 1);
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(0),
                   0.01 * (10 * 380 + 3 * (3 * 96) + 2 * 3600));
}

TEST(TimeEstimateTest, TakesWhatStepsAndEvaluationsTook) {
  TimeEstimate estimate(Recipe(), /*evaluates=*/true);
  for (int i = 0; i < 2; ++i) {
    estimate.AddStep(7);
    EXPECT_EQ(estimate.SecondsLeft(i + 1), 0);
  }
  estimate.AddStep(7);
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(3), 7 * 7);
  estimate.AddEvaluation(20);
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(5), 5 * 7 + 2 * 20);
  EXPECT_DOUBLE_EQ(estimate.SecondsLeft(10), 20);
}

}  // namespace
}  // namespace gist
