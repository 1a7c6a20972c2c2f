// Metrics of Chinese and of code against
// tests/reference/make_longbench_golden.py.
#include <fstream>

#include "core/scoring/chinese.h"
#include "core/scoring/code_similarity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using ::testing::ElementsAre;

constexpr double kTolerance = 1e-12;

nlohmann::json Golden() {
  std::ifstream file("tests/data/longbench/other_metrics.json");
  return nlohmann::json::parse(file);
}

TEST(ChineseTest, ScoresAsTheReferenceDoes) {
  const auto golden = Golden();
  ASSERT_GE(golden["chinese"].size(), 60u);
  for (const auto& pair : golden["chinese"]) {
    const auto prediction = pair["prediction"].get<std::string>();
    const auto truth = pair["truth"].get<std::string>();
    SCOPED_TRACE(pair.dump());
    EXPECT_EQ(NormalizeChinese(prediction), pair["normalized"]);
    EXPECT_NEAR(ChineseF1Score(prediction, truth), pair["f1"].get<double>(),
                kTolerance);
    EXPECT_NEAR(ChineseRougeLScore(prediction, truth),
                pair["rouge_l"].get<double>(), kTolerance);
    EXPECT_NEAR(ChineseRetrievalScore(prediction, truth),
                pair["retrieval"].get<double>(), kTolerance);
  }
}

TEST(ChineseTest, KeepsRunsOfLettersAndDigitsWhole) {
  EXPECT_THAT(ChineseWords("在2024年, ABC123！"),
              ElementsAre("在", "2024", "年", ",", "ABC123", "！"));
  EXPECT_THAT(ChineseWords(" "), ElementsAre());
}

TEST(CodeSimilarityTest, ScoresAsFuzzywuzzyDoes) {
  const auto golden = Golden();
  ASSERT_GE(golden["code"].size(), 100u);
  for (const auto& pair : golden["code"]) {
    EXPECT_NEAR(CodeSimilarityScore(pair["prediction"].get<std::string>(),
                                    pair["truth"].get<std::string>()),
                pair["score"].get<double>(), kTolerance)
        << pair.dump();
  }
}

TEST(CodeSimilarityTest, TakesBytesThatAreNoUtf8) {
  EXPECT_EQ(SequenceRatio("\xff\xfe\xf0", "\xff\xfe\xf0"), 1);
  EXPECT_LT(SequenceRatio("\xe4\xb8", "ab"), 1);
}

}  // namespace
}  // namespace gist
