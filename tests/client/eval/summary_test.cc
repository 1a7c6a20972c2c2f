#include "client/eval/summary.h"

#include <algorithm>
#include <fstream>

#include "client/eval/sample.h"
#include "client/eval/scoring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/eval/trials.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const Group* Find(const EvalSummary& summary, Mode mode,
                  std::optional<std::string> language = {},
                  std::optional<std::string> family = {},
                  std::optional<int64_t> length = {},
                  std::optional<int> fifth = {}) {
  for (const Group& group : summary.groups) {
    if (group.mode == mode && group.language == language &&
        group.family == family && group.length == length &&
        group.depth_fifth == fifth) {
      return &group;
    }
  }
  ADD_FAILURE() << "no such group";
  return nullptr;
}

TEST(SummaryTest, CountsByModeLanguageFamilyLengthAndDepth) {
  const std::vector<Trial> trials = {
      MakeTrial(0, {.depth = 0.1}),
      MakeTrial(1, {.score = 0, .depth = 0.1, .kind = "other"}),
      MakeTrial(2, {.tokens = 3000, .depth = 0.9}),
      MakeTrial(3, {.language = "ko", .depth = 0.9}),
      MakeTrial(4, {.mode = Mode::kFull, .score = 0, .kind = "other"})};
  const EvalSummary summary = Summarize(trials, 1);
  const Group* all = Find(summary, Mode::kGist);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(all->asked, 4);
  EXPECT_EQ(all->accuracy.value, 0.75);
  EXPECT_EQ(all->accuracy.interval.low, WilsonInterval(3, 4).low);
  EXPECT_EQ(Find(summary, Mode::kGist, "en")->asked, 3);
  EXPECT_EQ(Find(summary, Mode::kGist, "ko", "passkey")->accuracy.value, 1);
  EXPECT_EQ(Find(summary, Mode::kGist, "en", "passkey", 1024)->asked, 2);
  EXPECT_EQ(
      Find(summary, Mode::kGist, "en", "passkey", 1024, 0)->accuracy.value,
      0.5);
  EXPECT_EQ(Find(summary, Mode::kGist, "en", "passkey", 3072, 4)->asked, 1);
  EXPECT_EQ(Find(summary, Mode::kFull)->accuracy.value, 0);
}

TEST(SummaryTest, AnErrorIsAWrongAnswerAndCostsNothing) {
  const std::vector<Trial> trials = {
      MakeTrial(0, {.mode = Mode::kFull}),
      MakeError(1, {.mode = Mode::kFull}, "too long"),
      MakeError(2, {.mode = Mode::kRag}, "no embedder")};
  const EvalSummary summary = Summarize(trials, 1);
  const Group* full = Find(summary, Mode::kFull);
  EXPECT_EQ(full->asked, 2);
  EXPECT_EQ(full->errors, 1);
  EXPECT_EQ(full->accuracy.value, 0.5);
  EXPECT_EQ(full->cost->total_seconds.median, 2.9);
  EXPECT_EQ(full->peak_memory_bytes->median, 200'000'000);
  EXPECT_EQ(full->cost->bytes_ratio.median, 1);
  const Group* rag = Find(summary, Mode::kRag);
  EXPECT_EQ(rag->errors, 1);
  EXPECT_FALSE(rag->cost);
  EXPECT_FALSE(rag->peak_memory_bytes);
}

TEST(SummaryTest, TakesIndexingOutOfTheTimesOfAQuestion) {
  Trial trial = MakeTrial(0, {.mode = Mode::kHybrid});
  trial.costs->index_seconds = 0.25;
  trial.costs->first_token_seconds = 0.375;
  trial.costs->total_seconds = 1;
  const EvalSummary summary = Summarize(std::vector<Trial>{trial}, 1);
  const Cost& cost = *Find(summary, Mode::kHybrid)->cost;
  EXPECT_EQ(cost.first_token_seconds.median, 0.125);
  EXPECT_EQ(cost.total_seconds.median, 0.75);
  EXPECT_EQ(cost.prepare_seconds.median, 1.75);  // compressed in 1.5
  EXPECT_EQ(summary.throughput[0].questions_per_minute, 80);
}

TEST(SummaryTest, IsTheSameInAnyOrder) {
  std::vector<Trial> trials;
  for (int i = 0; i < 40; ++i) {
    trials.push_back(MakeTrial(i, {.score = i % 7 / 7.0}));
  }
  const Json before = ToJson(Summarize(trials, 3));
  std::reverse(trials.begin(), trials.end());
  EXPECT_EQ(ToJson(Summarize(trials, 3)), before);
  const Group group = Summarize(trials, 3).groups.front();
  EXPECT_LT(group.accuracy.interval.low, group.accuracy.value);
  EXPECT_GT(group.accuracy.interval.high, group.accuracy.value);
  EXPECT_GT(group.accuracy.interval.low, 0.2);  // of 40 scores around 0.43
  EXPECT_LT(group.accuracy.interval.high, 0.65);
}

TEST(SummaryTest, CountsWhatIsMadeUp) {
  std::vector<Trial> trials;
  int sample = 0;
  const auto add = [&](const char* family, const char* kind) {
    trials.push_back(MakeTrial(
        sample++, {.score = std::string_view(kind) == "right" ? 1.0 : 0.0,
                   .family = family,
                   .kind = kind}));
  };
  for (const char* kind : {"right", "other", "other_value", "empty"}) {
    add("absent", kind);
  }
  for (const char* kind : {"right", "refusal", "other_value", "other_document",
                           "refusal", "other"}) {
    add("passkey", kind);
  }
  add("gov_report", "other_value");  // of LongBench: not counted
  trials.push_back(MakeError(99, {.family = "absent"}, "broken"));
  const EvalSummary summary = Summarize(trials, 1);
  ASSERT_THAT(summary.hallucination, SizeIs(1));
  const Hallucination& row = summary.hallucination[0];
  EXPECT_EQ(row.confident.hits, 2);  // "other" and "other_value"
  EXPECT_EQ(row.confident.total, 4);
  EXPECT_EQ(row.false_refusal.hits, 2);
  EXPECT_EQ(row.false_refusal.total, 6);
  EXPECT_EQ(row.other_value.hits, 2);
  EXPECT_EQ(row.other_value.total, 10);
  EXPECT_EQ(row.other_document.hits, 1);
}

TEST(SummaryTest, CountsUnderstandingByKind) {
  Trial order = MakeTrial(1, {.score = 0, .family = "overview"});
  order.choice = "order";
  const std::vector<Trial> trials = {MakeTrial(0, {.family = "overview"}),
                                     order};
  const EvalSummary summary = Summarize(trials, 1);
  ASSERT_THAT(summary.understanding, SizeIs(3));
  EXPECT_EQ(summary.understanding[0].right.value, 0.5);
  EXPECT_EQ(summary.understanding[1].choice, "order");
  EXPECT_EQ(summary.understanding[1].right.hits, 0);
  EXPECT_EQ(summary.understanding[2].right.hits, 1);
}

TEST(SummaryTest, CompressesEachDocumentOnce) {
  // Samples 0 and 1 are of one document; 1,000 tokens in 1.5 s.
  const std::vector<Trial> trials = {MakeTrial(0, {}), MakeTrial(1, {})};
  const Throughput row = Summarize(trials, 1).throughput.at(0);
  EXPECT_EQ(row.documents, 1);
  EXPECT_NEAR(*row.compress_tokens_per_second, 1000 / 1.5, 1e-9);
  EXPECT_EQ(row.answer_tokens_per_second, 24);
  EXPECT_EQ(row.document_tokens_per_second, 2000);
}

TEST(SummaryTest, OfNothingIsEmpty) {
  const EvalSummary summary = Summarize({}, 1);
  EXPECT_THAT(summary.groups, SizeIs(0));
  EXPECT_THAT(summary.hallucination, SizeIs(0));
}

TEST(SummaryTest, KeepsAbsentAndPresentQuestionsApart) {
  const std::vector<Trial> trials = {
      MakeTrial(0, {.family = "custom"}),
      MakeTrial(1, {.score = 0.5, .family = "custom", .kind = "other"}),
      MakeTrial(2, {.score = 0, .family = "custom", .kind = "refusal"}),
      MakeTrial(3, {.family = "absent"}),
      MakeTrial(4, {.mode = Mode::kFull, .family = "custom"})};
  const EvalSummary summary = Summarize(trials, 1);
  const Group* gist = Find(summary, Mode::kGist);
  ASSERT_TRUE(gist->present && gist->absent);
  EXPECT_EQ(gist->present->asked, 3);
  EXPECT_EQ(gist->present->accuracy.value, 0.5);
  EXPECT_NEAR(gist->present->exact.value, 1.0 / 3, 1e-9);
  EXPECT_EQ(gist->absent->asked, 1);
  EXPECT_EQ(gist->absent->accuracy.value, 1);
  EXPECT_FALSE(Find(summary, Mode::kFull)->absent);
  EXPECT_FALSE(Find(summary, Mode::kFull)->present);
  const Json json = ToJson(summary)["groups"][0];
  EXPECT_EQ(json["present"]["n"], 3);
  EXPECT_EQ(json["absent"]["accuracy"]["mean"], 1.0);
  // Refusals of questions without a family are false ones.
  ASSERT_FALSE(summary.hallucination.empty());
  EXPECT_EQ(summary.hallucination[0].false_refusal.hits, 1);
  EXPECT_EQ(summary.hallucination[0].false_refusal.total, 3);
  EXPECT_EQ(summary.hallucination[0].confident.total, 1);
}

TEST(SummaryTest, ChanceIsThatOfTheOptions) {
  Trial two = MakeTrial(0, {.family = "overview"});
  Trial four = MakeTrial(1, {.family = "overview"});
  two.options = 2;
  four.options = 4;
  const EvalSummary summary = Summarize(std::vector<Trial>{two, four}, 1);
  ASSERT_FALSE(summary.understanding.empty());
  EXPECT_DOUBLE_EQ(summary.understanding[0].chance, 0.375);
  const auto read = TrialFromJson(ToJson(four));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->options, 4);
}

class SampleTest : public testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  TempDir folder_;
};

constexpr char kRecords[] =
    R"({"context":"The key is ABC123. It rains.","question":"Which key?","answer":"ABC123","needle":"The key is ABC123.","needle_position":0.25,"language":"en","family":"passkey","tokens":9,"depth":0.5}
{"context":"The key is ABC123. It rains.","question":"Whose key?","answer":"Not mentioned.","language":"en","family":"absent","tokens":9}
{"context":"A song of XYZ789.","question":"Which song?","answer":"XYZ789","needle":"A song of XYZ789.","needle_position":0.5}
{"context":"All of it.","question":"What is it?","answer":"All."}
)";

TEST_F(SampleTest, ReadsRecordsOfEveryFamily) {
  const auto set = ReadSamples({Put("a.jsonl", kRecords)}, 0);
  ASSERT_THAT(set, IsOk());
  ASSERT_THAT(set->samples, SizeIs(4));
  const auto& samples = set->samples;
  EXPECT_EQ(samples[0].metric, "containment");
  EXPECT_EQ(samples[0].depth, 0.5);
  EXPECT_EQ(samples[0].document, samples[1].document);
  EXPECT_NE(samples[0].id, samples[1].id);
  EXPECT_EQ(samples[1].metric, "refusal");
  EXPECT_FALSE(samples[1].depth);
  EXPECT_EQ(samples[2].family, "needle");
  EXPECT_EQ(samples[2].depth, 0.5);
  EXPECT_EQ(samples[3].family, "custom");
  EXPECT_EQ(samples[3].metric, "f1");
  EXPECT_EQ(set->files[0].samples, 4);
  EXPECT_EQ(set->files[0].format, "records");
}

TEST_F(SampleTest, KeepsTheSameQuestionTwiceApart) {
  const std::string path = Put("a.jsonl", kRecords);
  const auto set = ReadSamples({path, path}, 2);
  ASSERT_THAT(set, IsOk());
  ASSERT_THAT(set->samples, SizeIs(4));
  EXPECT_EQ(set->samples[2].id, set->samples[0].id + "-2");
}

TEST_F(SampleTest, ReadsLongBench) {
  const auto set = ReadSamples({"tests/data/longbench/sample.jsonl"}, 0);
  ASSERT_THAT(set, IsOk());
  ASSERT_THAT(set->samples, SizeIs(7));
  EXPECT_EQ(set->files[0].format, "longbench");
  EXPECT_EQ(set->samples[0].family, "hotpotqa");
  EXPECT_EQ(set->samples[0].metric, "f1");
  EXPECT_EQ(set->samples[0].answer_tokens, 32);
  const Scorer scorer(set->samples);
  Trial trial;
  scorer.Score(set->samples[0], "Edith Marsh", &trial);
  EXPECT_EQ(trial.scores.score, 1);
}

TEST_F(SampleTest, NamesFileAndLineOfAnError) {
  EXPECT_THAT(ReadSamples({folder_ / "none.jsonl"}, 0).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.jsonl")));
  EXPECT_THAT(
      ReadSamples({Put("b.jsonl", std::string(kRecords) + "{}\n")}, 0).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("b.jsonl:5: no \"context\"")));
}

TEST_F(SampleTest, ScoresAgainstTheOthersValues) {
  const auto set = ReadSamples({Put("a.jsonl", kRecords)}, 0);
  ASSERT_THAT(set, IsOk());
  const Scorer scorer(set->samples);
  const auto kind = [&](size_t sample, const char* answer) {
    Trial trial;
    scorer.Score(set->samples[sample], answer, &trial);
    return fmt::format("{} {}", trial.answer_kind, trial.scores.score);
  };
  EXPECT_EQ(kind(0, "It is ABC123."), "right 1");
  EXPECT_EQ(kind(0, "XYZ789"), "other_document 0");
  EXPECT_EQ(kind(0, "Not mentioned."), "refusal 0");
  EXPECT_EQ(kind(1, "ABC123"), "other_value 0");
  EXPECT_EQ(kind(1, "The text does not say."), "right 1");
  EXPECT_EQ(kind(2, ""), "empty 0");
}

TEST_F(SampleTest, TakesNamingEveryOptionForNoChoice) {
  const auto set = ReadSamples(
      {Put(
          "a.jsonl",
          R"({"context":"Salt.","question":"Is this text mainly about salt, bees or ships?","answer":"salt","needle":"Salt.","language":"en","family":"overview","depth":0.5})")},
      0);
  ASSERT_THAT(set, IsOk());
  const Sample& sample = set->samples[0];
  EXPECT_EQ(sample.metric, "choice");
  EXPECT_EQ(sample.choice, "topic");
  EXPECT_FALSE(sample.depth);
  const Scorer scorer(set->samples);
  Trial one, all;
  scorer.Score(sample, "It is about salt.", &one);
  scorer.Score(sample, "Salt, bees or ships?", &all);
  EXPECT_EQ(one.answer_kind, "right");
  EXPECT_EQ(one.scores.score, 1);
  EXPECT_EQ(all.answer_kind, "other");
  EXPECT_EQ(all.scores.score, 0);
}

TEST_F(SampleTest, TakesTheBestOfSeveralAnswers) {
  const auto set = ReadSamples(
      {Put(
          "a.jsonl",
          R"({"context":"c","question":"Who?","answers":["Ada Lovelace","Countess of Lovelace"]})")},
      0);
  ASSERT_THAT(set, IsOk());
  const Sample& sample = set->samples[0];
  EXPECT_EQ(sample.metric, "f1");
  EXPECT_THAT(sample.answers, SizeIs(2));
  const Scorer scorer(set->samples);
  Trial trial;
  scorer.Score(sample, "The Countess of Lovelace", &trial);
  EXPECT_EQ(trial.scores.exact, 1);
  EXPECT_EQ(trial.scores.score, 1);
  scorer.Score(sample, "Ada", &trial);
  EXPECT_EQ(trial.scores.exact, 0);
  EXPECT_NEAR(trial.scores.f1, 2.0 / 3, 1e-9);
}

TEST_F(SampleTest, ShowsTheOptionsOfAChoice) {
  const auto set = ReadSamples(
      {Put(
          "a.jsonl",
          R"({"context":"c","question":"Which city?","answer":"Rome","options":["Paris","Rome"]}
{"context":"c","question":"Rome or Paris?","answer":"Rome","options":["Paris","Rome"]})")},
      0);
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->samples[0].question,
            "Which city?\nAnswer with one of these:\n- Paris\n- Rome");
  EXPECT_EQ(set->samples[1].question, "Rome or Paris?");
  EXPECT_EQ(set->samples[0].metric, "choice");
  EXPECT_EQ(set->samples[0].choice, "options");
  const Scorer scorer(set->samples);
  Trial one, all;
  scorer.Score(set->samples[0], "It is Rome.", &one);
  scorer.Score(set->samples[0], "Paris or Rome", &all);
  EXPECT_EQ(one.scores.score, 1);
  EXPECT_EQ(all.scores.score, 0);
}

TEST(ValidUtf8Test, ReplacesWhatIsMalformed) {
  EXPECT_EQ(ValidUtf8("가 ok"), "가 ok");
  EXPECT_EQ(ValidUtf8("a\xff\xe4\xb8"),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(ValidUtf8(""), "");
}

}  // namespace
}  // namespace gist::client
