#include "core/scoring/longbench.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kSample[] = "tests/data/longbench/sample.jsonl";

std::vector<LongBenchRecord> Sample() {
  const auto records = ReadLongBench(kSample);
  EXPECT_THAT(records, IsOk());
  return *records;
}

double ScoreOf(const LongBenchRecord& record, std::string_view prediction) {
  const auto score = LongBenchScore(record, prediction);
  EXPECT_THAT(score, IsOk());
  return score.value_or(-1);
}

TEST(LongBenchTest, ReadsEveryField) {
  const auto records = Sample();
  ASSERT_THAT(records, SizeIs(7));
  const LongBenchRecord& second = records[1];
  EXPECT_EQ(second.input, "Which ship came in after the first tide of March?");
  EXPECT_THAT(second.context, HasSubstr("Ranby"));
  EXPECT_THAT(second.answers, SizeIs(2));
  EXPECT_EQ(second.length, 58);
  EXPECT_EQ(second.dataset, "narrativeqa");
  EXPECT_EQ(second.language, "en");
  EXPECT_EQ(second.id, "sample-2");
  EXPECT_THAT(second.all_classes, SizeIs(0));
  EXPECT_THAT(records[3].all_classes, SizeIs(6));
}

TEST(LongBenchTest, ScoresByTheDatasetsMetric) {
  const auto records = Sample();
  EXPECT_EQ(ScoreOf(records[0], "Edith Marsh."), 1);
  EXPECT_EQ(ScoreOf(records[1], "Calder"), 1);  // the better of two answers
  EXPECT_GT(ScoreOf(records[2], "A neighbour dries them."), 0.3);
  EXPECT_EQ(ScoreOf(records[3], "\nCity\nSport"), 1);  // the first line alone
  EXPECT_EQ(ScoreOf(records[4], "3 of 4"), 0.5);
  EXPECT_EQ(ScoreOf(records[5], "Paragraph 2"), 1);
  EXPECT_EQ(ScoreOf(records[6], "eleven weeks\n\nQuestion: no"), 1);
}

TEST(LongBenchTest, ScoresTheEvenVariantAsItsDataset) {
  LongBenchRecord record = Sample()[0];
  record.dataset = "hotpotqa_e";
  EXPECT_EQ(ScoreOf(record, "Edith Marsh"), 1);
}

TEST(LongBenchTest, ScoresChineseAndCode) {
  LongBenchRecord record = Sample()[0];
  const auto score = [&](const char* dataset, std::string truth,
                         std::string_view prediction) {
    record.dataset = dataset;
    record.answers = {std::move(truth)};
    return ScoreOf(record, prediction);
  };
  EXPECT_EQ(score("multifieldqa_zh", "1987年", "1987年。"), 1);
  EXPECT_EQ(score("passage_retrieval_zh", "段落3", "段落3"), 1);
  EXPECT_GT(score("dureader", "天气不好", "天气很不好"), 0.8);
  EXPECT_EQ(score("lcc", "return x", "# it is\nreturn x\nreturn y"), 1);
  EXPECT_EQ(score("repobench-p_e", "abcd", "abcx"), 0.75);
}

TEST(LongBenchTest, AsksEachOfTheTwentyOneDatasets) {
  LongBenchRecord record = Sample()[0];
  for (const char* name : {"narrativeqa",
                           "qasper",
                           "multifieldqa_en",
                           "multifieldqa_zh",
                           "hotpotqa",
                           "2wikimqa",
                           "musique",
                           "dureader",
                           "gov_report",
                           "qmsum",
                           "multi_news",
                           "vcsum",
                           "trec",
                           "triviaqa",
                           "samsum",
                           "lsht",
                           "passage_retrieval_en",
                           "passage_count",
                           "passage_retrieval_zh",
                           "lcc",
                           "repobench-p"}) {
    record.dataset = name;
    record.input = "INPUT";
    const auto task = TaskOf(record);
    ASSERT_THAT(task, IsOk());
    EXPECT_GE(task->answer_tokens, 32) << name;
    EXPECT_FALSE(task->metric.empty()) << name;
    EXPECT_FALSE(task->question.empty()) << name;
    EXPECT_EQ(task->question.find("{}"), std::string::npos) << name;
    // These hold all in their context.
    const bool plain = testing::Value(
        std::string(name),
        testing::AnyOf("gov_report", "multi_news", "vcsum", "passage_count"));
    EXPECT_EQ(task->question.find("INPUT") == std::string::npos, plain) << name;
  }
}

TEST(LongBenchTest, SaysWhatItCannotScore) {
  LongBenchRecord record = Sample()[0];
  record.dataset = "mine";
  EXPECT_THAT(LongBenchScore(record, "x").status(),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("\"mine\" cannot be scored here; those that "
                                 "can: 2wikimqa, ")));
  EXPECT_THAT(TaskOf(record).status(),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("mine")));
}

TEST(LongBenchTest, NamesFileLineAndKeyOfAnError) {
  std::string good;
  std::getline(std::ifstream(kSample) >> std::ws, good);
  const TempDir folder;
  const std::string path = folder / "a.jsonl";
  const auto error = [&](std::string line) {
    std::ofstream(path) << good << "\n" << line << "\n";
    return std::string(Message(ReadLongBench(path).status()));
  };
  EXPECT_THAT(error("{"), HasSubstr("a.jsonl:2: is no JSON object"));
  EXPECT_THAT(error("{}"), HasSubstr("a.jsonl:2: no \"input\""));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string line = good;
    line.replace(line.find(from), from.size(), to);
    return error(line);
  };
  EXPECT_THAT(with("[\"Edith Marsh\"]", "[1]"),
              HasSubstr("\"answers\" is no list of strings"));
  EXPECT_THAT(with("\"length\": 58", "\"length\": -1"),
              HasSubstr("\"length\" is -1, wanted a count"));
  EXPECT_THAT(ReadLongBench(folder / "none").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace gist
