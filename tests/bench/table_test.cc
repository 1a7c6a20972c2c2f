// The arithmetic of the adapter's table, and its files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/data/json_lines.h"
#include "core/data/zstd_text.h"
#include "tests/bench/table_files.h"
#include "tests/bench/table_plan.h"
#include "tests/bench/table_report.h"
#include "tests/bench/table_stats.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::bench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(ScoreAnswerTest, TrimsTheAnswerAndNothingElse) {
  EXPECT_TRUE(ScoreAnswer("ABC123", " ABC123\n").exact);
  EXPECT_FALSE(ScoreAnswer("ABC123", "ABC123.").exact);
  EXPECT_FALSE(ScoreAnswer("ABC123", "abc123").exact);
  EXPECT_TRUE(ScoreAnswer("ABC123", "It is ABC123.").contains);
  EXPECT_FALSE(ScoreAnswer("ABC123", "ABC12").contains);
  EXPECT_FALSE(ScoreAnswer("ABC123", "").exact);
}

TEST(ScoreAnswerTest, CountsCharactersAtTheirPlaces) {
  EXPECT_DOUBLE_EQ(ScoreAnswer("ABC123", "ABD123").characters, 5.0 / 6);
  EXPECT_DOUBLE_EQ(ScoreAnswer("ABC123", "BC123").characters, 0);
  EXPECT_DOUBLE_EQ(ScoreAnswer("ABC123", "").characters, 0);
  // Three bytes each, of which the first is the same.
  EXPECT_DOUBLE_EQ(ScoreAnswer("가나", "가너").characters, 0.5);
}

TEST(LengthOfTest, IsTheSmallestThatHoldsTheDocument) {
  const std::vector<int> lengths = {1024, 4096};
  EXPECT_EQ(LengthOf(1, lengths), 1024);
  EXPECT_EQ(LengthOf(1024, lengths), 1024);
  EXPECT_EQ(LengthOf(1025, lengths), 4096);
  EXPECT_EQ(LengthOf(4097, lengths), 0);
}

TEST(FifthOfTest, CoversTheWholeDocument) {
  EXPECT_EQ(FifthOf(0), 0);
  EXPECT_EQ(FifthOf(0.1999), 0);
  EXPECT_EQ(FifthOf(0.2), 1);
  EXPECT_EQ(FifthOf(0.99), 4);
  EXPECT_EQ(FifthOf(1), 4);
}

Answered Example(const std::string& sample, int gists, double depth,
                 bool exact) {
  return {.sample = sample,
          .set = "held-out",
          .family = "passkey",
          .frame = "f1",
          .language = "ko",
          .length = 4096,
          .source = Source::kGists,
          .gists = gists,
          .depth = depth,
          .seed = 18446744073709551615u,
          .key = "ABC123",
          .answer = exact ? "ABC123" : "그건 \"ABD\"",
          .score = {exact, exact, exact ? 1.0 : 0.5},
          .document_tokens = 4000,
          .ratio = 4000.0 / gists,
          .first_token_seconds = 0.125};
}

TEST(GroupByCellTest, CountsEachCellByItself) {
  Answered english = Example("4", 10, 0.5, true);
  english.language = "en";
  const auto cells = GroupByCell(
      std::vector{Example("1", 10, 0.1, true), Example("2", 10, 0.1, false),
                  Example("3", 10, 0.9, true), Example("1", 25, 0.1, true),
                  english, Example("5", 10, -1, true)});
  ASSERT_EQ(cells.size(), 3);
  const Tally& tally =
      cells.at({"held-out", "passkey", "ko", 4096, Source::kGists, 10});
  EXPECT_EQ(tally.asked, 4);
  EXPECT_EQ(tally.exact, 3);
  EXPECT_DOUBLE_EQ(tally.characters, 3.5);
  EXPECT_THAT(tally.fifth_asked, ElementsAre(2, 0, 0, 0, 1));
  EXPECT_THAT(tally.fifth_exact, ElementsAre(1, 0, 0, 0, 1));
}

const RunInfo kRun = {.machine = "2 cores",
                      .model_name = "m",
                      .model_fingerprint = "f0",
                      .adapter_name = "a",
                      .adapter_fingerprint = "f1",
                      .commands = {"gist data niah --seed 7"}};

TEST(ResultsFileTest, GoesOnWhereItWasCut) {
  const TempDir folder;
  const std::string path = folder / "results.jsonl";
  {
    auto results = ResultsFile::Open(folder / "", kRun);
    ASSERT_THAT(results, IsOk());
    ASSERT_THAT(results->Append(Example("1", 10, 0.1, true)), IsOk());
    ASSERT_THAT(results->Append(Example("2", 10, 0.3, false)), IsOk());
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 20);
  auto results = ResultsFile::Open(folder / "", kRun);
  ASSERT_THAT(results, IsOk());
  ASSERT_EQ(results->answers().size(), 1);
  const Answered& kept = results->answers()[0];
  EXPECT_EQ(kept.sample, "1");
  EXPECT_EQ(kept.seed, 18446744073709551615u);
  EXPECT_TRUE(kept.score.exact);
  EXPECT_EQ(kept.depth, 0.1);
  ASSERT_THAT(results->Append(Example("2", 10, 0.3, false)), IsOk());
  auto again = ResultsFile::Open(folder / "", kRun);
  ASSERT_THAT(again, IsOk());
  ASSERT_EQ(again->answers().size(), 2);
  EXPECT_EQ(again->answers()[1].answer, "그건 \"ABD\"");
}

TEST(ResultsFileTest, GoesOnFromCompressedResults) {
  const TempDir folder;
  const std::string path = folder / "results.jsonl";
  {
    auto results = ResultsFile::Open(folder / "", kRun);
    ASSERT_THAT(results, IsOk());
    ASSERT_THAT(results->Append(Example("1", 10, 0.1, true)), IsOk());
  }
  const auto text = ReadTextFile(path);
  ASSERT_THAT(text, IsOk());
  std::filesystem::remove(path);
  ASSERT_THAT(WriteFile(path + ".zst", *CompressZstd(*text)), IsOk());
  auto results = ResultsFile::Open(folder / "", kRun);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->answers().size(), 1);
  ASSERT_THAT(results->Append(Example("2", 10, 0.3, false)), IsOk());
  // What was added since is in results.jsonl alone.
  EXPECT_EQ(ResultsFile::Open(folder / "", kRun)->answers().size(), 2);
}

TEST(ResultsFileTest, RefusesTheResultsOfAnotherAdapter) {
  const TempDir folder;
  ASSERT_THAT(ResultsFile::Open(folder / "", kRun), IsOk());
  RunInfo other = kRun;
  other.adapter_fingerprint = "f2";
  const auto results = ResultsFile::Open(folder / "", other);
  EXPECT_TRUE(absl::IsFailedPrecondition(results.status()));
  EXPECT_THAT(results.status().ToString(),
              AllOf(HasSubstr("adapter_fingerprint"), HasSubstr("f1"),
                    HasSubstr("f2")));
}

TEST(ResultsFileTest, NamesADamagedLine) {
  const TempDir folder;
  std::ofstream(folder / "results.jsonl") << "{}\n";
  const auto results = ResultsFile::Open(folder / "", kRun);
  EXPECT_TRUE(absl::IsDataLoss(results.status()));
  EXPECT_THAT(results.status().ToString(), HasSubstr("results.jsonl:1"));
}

TEST(ReadSamplesTest, TakesTheMissionsFieldsAlone) {
  const TempDir folder;
  std::ofstream(folder / "a.jsonl")
      << R"({"context": "c", "question": "q", "answer": "a", "needle_position": 0.25})"
      << "\n";
  const auto records = ReadSamples(folder / "a.jsonl");
  ASSERT_THAT(records, IsOk());
  ASSERT_EQ(records->size(), 1);
  EXPECT_EQ((*records)[0].language, "en");
  EXPECT_EQ((*records)[0].family, "passkey");
  EXPECT_EQ((*records)[0].depth, 0.25);
}

Sample MakeSample(const std::string& language, const std::string& text,
                  int tokens) {
  Sample sample;
  sample.record.context = text;
  sample.record.question = "?";
  sample.record.answer = "A";
  sample.record.language = language;
  sample.record.tokens = tokens;
  sample.id = SampleId(sample.record);
  sample.length = tokens;
  return sample;
}

TEST(MakeStepsTest, AsksWhatIsNotDoneAndReadsADocumentOnce) {
  const std::vector<Sample> samples = {MakeSample("en", "one", 1000),
                                       MakeSample("en", "two", 1000)};
  const PlanOptions options{
      .gists = {10, 20},
      .sources = {Source::kGists, Source::kFull, Source::kRandom},
      .max_context_tokens = 2048};
  const auto steps =
      MakeSteps(samples, options, {StepKey(samples[0].id, Source::kGists, 20)});
  ASSERT_EQ(steps.size(), 2 * 4 - 1);
  EXPECT_GT(steps[0].work, 1000);  // reads
  EXPECT_EQ(steps[1].ask.source, Source::kRandom);
  EXPECT_LT(steps[1].work, 1000);
  EXPECT_EQ(steps[2].ask.source, Source::kFull);
  EXPECT_EQ(steps[2].ask.gists, 0);
  // The control is asked for the first number of gists alone.
  EXPECT_EQ(steps[4].ask.source, Source::kRandom);
  EXPECT_EQ(steps[5].ask.source, Source::kGists);
  EXPECT_EQ(steps[5].ask.gists, 20);
  EXPECT_LT(steps[5].work, 1000);
}

TEST(MakeStepsTest, AsksControlsOfTheFirstSamplesOfACell) {
  const std::vector<Sample> samples = {MakeSample("en", "one", 1000),
                                       MakeSample("en", "two", 1000),
                                       MakeSample("ko", "three", 1000)};
  const PlanOptions options{.gists = {10},
                            .sources = {Source::kGists, Source::kNone},
                            .max_context_tokens = 2048,
                            .controls = 1};
  std::vector<size_t> controlled;
  for (const Step& step : MakeSteps(samples, options, {})) {
    if (step.ask.source == Source::kNone) controlled.push_back(step.sample);
  }
  EXPECT_EQ(controlled, (std::vector<size_t>{0, 2}));
}

TEST(MakeStepsTest, LeavesOutFullContextsThatDoNotFit) {
  const std::vector<Sample> samples = {MakeSample("en", "one", 2048)};
  const auto steps = MakeSteps(
      samples,
      {.gists = {10}, .sources = {Source::kFull}, .max_context_tokens = 2048},
      {});
  EXPECT_TRUE(steps.empty());
}

TEST(MakeStepsTest, TakesAnotherDocumentOfTheSameLanguage) {
  const std::vector<Sample> samples = {
      MakeSample("en", "one", 10), MakeSample("ko", "ko", 10),
      MakeSample("en", "two", 10), MakeSample("en", "two", 10)};
  const auto steps = MakeSteps(
      samples,
      {.gists = {10}, .sources = {Source::kOther}, .max_context_tokens = 0},
      {});
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const Step& step : steps) {
    pairs.emplace_back(step.ask.record->context, step.ask.others[0]->context);
  }
  EXPECT_THAT(pairs, ElementsAre(testing::Pair("one", "two"),
                                 testing::Pair("two", "one"),
                                 testing::Pair("two", "one")));
}

TEST(MakeStepsTest, JoinsAsManyDocumentsAsItSays) {
  std::vector<Sample> samples = {MakeSample("en", "1", 10),
                                 MakeSample("en", "2", 10),
                                 MakeSample("en", "3", 10)};
  const PlanOptions options{
      .gists = {10}, .sources = {Source::kJoined4}, .max_context_tokens = 0};
  EXPECT_TRUE(MakeSteps(samples, options, {}).empty());
  samples.push_back(MakeSample("en", "4", 10));
  EXPECT_EQ(MakeSteps(samples, options, {}).size(), 4);
}

TEST(KeepCountTest, CutsEachCell) {
  std::vector<Sample> samples = {
      MakeSample("en", "1", 10), MakeSample("en", "2", 10),
      MakeSample("ko", "3", 10), MakeSample("en", "4", 20)};
  EXPECT_EQ(KeepCount(samples, 1).size(), 3);
  EXPECT_EQ(KeepCount(samples, 0).size(), 4);
}

TEST(DrawMarkdownTest, TellsHowItWasMadeAndEveryCell) {
  const auto cells = GroupByCell(
      std::vector{Example("1", 10, 0.1, true), Example("2", 10, 0.9, false)});
  const std::string text = DrawMarkdown(kRun, cells);
  EXPECT_THAT(text, AllOf(HasSubstr("2 cores"), HasSubstr("`f1`"),
                          HasSubstr("    gist data niah --seed 7\n")));
  EXPECT_THAT(
      text, HasSubstr("| held-out | passkey | ko | 4096 | 50 % (9-91), n=2 |"));
  EXPECT_THAT(
      text,
      HasSubstr("| held-out | passkey | ko | 4096 | 10 gists | 2 | 4000 | "
                "400x | 50 % (9-91) | 50 % (9-91) | 75 % | "
                "100 / - / - / - / 0 | 0.12 |"));
}

TEST(DrawHeatmapTest, HasAFieldForEachFifth) {
  const auto cells = GroupByCell(
      std::vector{Example("1", 10, 0.1, true), Example("2", 10, 0.9, false)});
  const std::string svg = DrawHeatmap(cells);
  EXPECT_THAT(svg, AllOf(HasSubstr("held-out, passkey, ko: 10 gists"),
                         HasSubstr(">100<"), HasSubstr(">4096<"),
                         Not(HasSubstr("25 gists"))));
  size_t fields = 0;
  for (size_t at = svg.find("<rect"); at != svg.npos;
       at = svg.find("<rect", at + 1)) {
    ++fields;
  }
  EXPECT_EQ(fields, 1 + kFifths);  // the ground, and one row
}

}  // namespace
}  // namespace gist::bench
