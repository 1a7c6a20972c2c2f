// Datasets, adapters, and which adapter is in use.
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/training/train_harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kLine[] = R"({"context": "c", "question": "q", "answer": "a"})";

class DatasetStoreTest : public testing::Test {
 protected:
  TempDir dir_;
  DatasetStore store_{dir_ / "datasets",
                      {.max_bytes = 1000, .max_datasets = 2}};
};

TEST_F(DatasetStoreTest, KeepsADatasetUnderTheNameOfItsContent) {
  const std::string lines =
      std::string(kLine) + "\r\n\n" +
      R"({"context": "기", "question": "q", "answer": "a", "tokens": 7,)" +
      R"( "depth": 0.5, "language": "ko", "seed": 18446744073709551615,)" +
      R"( "more": [1]})";
  const auto dataset = store_.Add(lines);
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ(dataset->dataset_id.substr(0, 3), "ds_");
  EXPECT_EQ(dataset->dataset_id.size(), 35u);
  EXPECT_EQ(dataset->records, 2);
  EXPECT_EQ(dataset->bytes, int64_t(lines.size()));
  EXPECT_GT(dataset->created_unix_ms, 0);
  const auto records = store_.Load(dataset->dataset_id);
  ASSERT_THAT(records, IsOk());
  EXPECT_EQ(records->at(1).context, "기");
  EXPECT_EQ(records->at(1).tokens, 7);
  EXPECT_EQ(records->at(1).depth, 0.5);
  EXPECT_EQ(records->at(1).seed, UINT64_MAX);
  EXPECT_EQ(store_.Add(lines)->dataset_id, dataset->dataset_id);
  EXPECT_EQ(store_.List()->size(), 1u);
  EXPECT_THAT(store_.Delete(dataset->dataset_id), IsOk());
  EXPECT_TRUE(store_.List()->empty());
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "datasets"));
}

TEST_F(DatasetStoreTest, NamesTheLineOfAMistake) {
  const std::string good = std::string(kLine) + "\n";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "holds no record"},
      {"\n\n", "holds no record"},
      {good + "{", "dataset:2: is not JSON"},
      {good + "[1]", "dataset:2: is array, wanted a JSON object"},
      {good + good + R"({"context": "c", "question": "q"})",
       "dataset:3: no \"answer\""},
      {R"({"context": 3, "question": "q", "answer": "a"})",
       "dataset:1: \"context\" is number, wanted a string"},
      {R"({"context": "c", "question": "", "answer": "a"})",
       "dataset:1: \"question\" is empty"},
      {good +
           R"({"context": "c", "question": "q", "answer": "a", "tokens": "7"})",
       "dataset:2: \"tokens\" is string, wanted a number"},
      {good + "{\"context\": \"\xff\"}", "dataset:2: is not JSON in UTF-8"},
  };
  for (const auto& [lines, message] : bad) {
    EXPECT_THAT(store_.Add(lines),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ / "datasets"));
}

TEST_F(DatasetStoreTest, HasLimits) {
  EXPECT_THAT(store_.Add(std::string(1001, 'x')),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("1000")));
  ASSERT_THAT(store_.Add(kLine), IsOk());
  ASSERT_THAT(store_.Add(std::string(kLine) + "\n"), IsOk());
  EXPECT_THAT(
      store_.Add(std::string(kLine) + "\n\n"),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("delete some")));
}

TEST_F(DatasetStoreTest, TakesNoPathForAnId) {
  std::ofstream(dir_ / "secret.json")
      << R"({"bytes": 1, "records": 1, "created_unix_ms": 1})";
  for (const char* id : {"", "..", "../secret", "ds_/../../secret", "secret",
                         "ds_.", "/etc/passwd"}) {
    EXPECT_THAT(store_.Get(id), StatusIs(StatusCode::kNotFound, _)) << id;
    EXPECT_THAT(store_.Load(id), StatusIs(StatusCode::kNotFound, _)) << id;
    EXPECT_THAT(store_.Delete(id), StatusIs(StatusCode::kNotFound, _)) << id;
  }
  EXPECT_TRUE(std::filesystem::exists(dir_ / "secret.json"));
}

class PromoterTest : public TrainTest {
 protected:
  // Versions niah@1 ... niah@COUNT.
  void StartWith(int count, TrainSetup setup = {}) {
    Start(std::move(setup));
    for (int i = 0; i < count; ++i) {
      TrainRequest request = Request();
      request.seed = uint64_t(i + 1);
      ASSERT_EQ(server().WaitUntilOver(server().Submit(request)).adapter,
                "niah@" + std::to_string(i + 1));
    }
  }
  AdapterRegistry& promoter() { return server().promoter; }
  std::string InEngine() { return server().harness.engine.adapter().name; }
};

TEST_F(PromoterTest, PromotesAndRollsBackStepByStep) {
  StartWith(2);
  EXPECT_THAT(promoter().Rollback(),
              StatusIs(StatusCode::kFailedPrecondition, _));
  EXPECT_EQ(promoter().Promote("niah@1")->Title(), "niah@1");
  EXPECT_EQ(InEngine(), "niah@1");
  EXPECT_EQ(promoter().Promote("niah")->Title(), "niah@2");
  EXPECT_EQ(promoter().Promote("niah")->Title(), "niah@2");  // in use already
  EXPECT_EQ(InEngine(), "niah@2");
  EXPECT_EQ(promoter().Rollback().value(), "niah@1");
  EXPECT_EQ(InEngine(), "niah@1");
  EXPECT_EQ(promoter().Rollback().value(), "");
  EXPECT_EQ(InEngine(), "fake adapter");
}

TEST_F(PromoterTest, WhatWasPromotedIsInUseAfterARestart) {
  StartWith(2);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  ASSERT_THAT(promoter().Promote("niah@2"), IsOk());
  Start();
  EXPECT_EQ(InEngine(), "niah@2");
  EXPECT_EQ(promoter().Rollback().value(), "niah@1");
  Start();
  EXPECT_EQ(InEngine(), "niah@1");
}

TEST_F(PromoterTest, TheConfiguredAdapterStaysWhereNothingIsRestored) {
  StartWith(1);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  AdapterRegistry other(server().harness.scheduler, server().adapters,
                        folder() + "/configured");
  EXPECT_EQ(other.InUse().value(), "");
  EXPECT_THAT(other.Rollback(), StatusIs(StatusCode::kFailedPrecondition, _));
  ASSERT_THAT(other.Promote("niah@1"), IsOk());
  EXPECT_EQ(other.InUse().value(), "niah@1");
  EXPECT_EQ(other.Rollback().value(), "");
}

TEST_F(PromoterTest, ARefusedAdapterLeavesTheOldOneInUse) {
  StartWith(2);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  std::ofstream(folder() + "/adapters/niah/niah@2/adapter_config.json")
      << "not JSON";
  EXPECT_THAT(promoter().Promote("niah@2"), StatusIs(StatusCode::kDataLoss, _));
  EXPECT_EQ(InEngine(), "niah@1");
  EXPECT_EQ(promoter().InUse().value(), "niah@1");
}

TEST_F(PromoterTest, WhereTheHistoryCannotBeWrittenTheEngineGoesBack) {
  StartWith(2);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  std::filesystem::create_directory(folder() +
                                    "/adapters/current.json.partial");
  EXPECT_THAT(promoter().Promote("niah@2"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("cannot create")));
  EXPECT_EQ(InEngine(), "niah@1");
  EXPECT_EQ(promoter().InUse().value(), "niah@1");
}

TEST_F(PromoterTest, DoesNotPromoteOverWhatItWasNotComparedWith) {
  StartWith(2);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  EXPECT_THAT(promoter().PromoteOver("", "niah@2"),
              StatusIs(StatusCode::kAborted, HasSubstr("niah@1")));
  EXPECT_THAT(promoter().PromoteOver("niah@1", "niah@2"), IsOk());
}

TEST_F(PromoterTest, TitlesThatAreNoneAreNotFound) {
  StartWith(1);
  for (const char* title : {"", "niah@0", "niah@2", "niah@1x", "niah@", "@1",
                            "../adapters/niah@1", "niah/../niah", "none"}) {
    EXPECT_THAT(promoter().Promote(title), StatusIs(StatusCode::kNotFound, _))
        << title;
  }
}

TEST_F(PromoterTest, AskingGoesOnWhileAdaptersAreSwapped) {
  StartWith(2);
  std::vector<std::string> contexts;
  std::thread swapper([&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(promoter().Promote(i % 2 == 0 ? "niah@1" : "niah@2"), IsOk());
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto result = server().harness.Compress(
        DocumentWith("KEY1" + std::to_string(10 + i)));
    if (absl::IsAborted(result.status())) continue;  // two swaps at a time
    ASSERT_THAT(result, IsOk());
    const ContextInfo& context = result->context;
    const auto kv =
        server().harness.store->GetKv(context.record, context.representation);
    ASSERT_THAT(kv, IsOk());
    EXPECT_EQ(ToDense(*kv).values[2],
              FakeEngine::MarkOf(context.representation.adapter_fingerprint));
  }
  swapper.join();
  EXPECT_EQ(server().harness.engine.counts().overlapping_calls, 0);
}

}  // namespace
}  // namespace gist
