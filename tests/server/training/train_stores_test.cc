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
                        folder() + "/configured",
                        server().harness.engine.model().fingerprint);
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

TEST_F(PromoterTest, TheFirstPromotionGivesAServerWithoutAnAdapterOne) {
  TrainSetup setup;
  setup.server.engine.has_adapter = false;
  StartWith(1, setup);
  EXPECT_EQ(InEngine(), "");
  EXPECT_EQ(promoter().FolderInUse().value(), "");
  const std::string text = DocumentWith("ABC123");
  EXPECT_THAT(server().harness.Compress(text),
              StatusIs(StatusCode::kFailedPrecondition, _));
  ASSERT_THAT(promoter().Promote("niah"), IsOk());
  EXPECT_EQ(InEngine(), "niah@1");
  const std::string id = server().harness.IdOf(text);
  Start(setup);  // it is found again
  EXPECT_EQ(InEngine(), "niah@1");
  EXPECT_EQ(promoter().Rollback().value(), "");
  EXPECT_EQ(InEngine(), "");
  EXPECT_THAT(promoter().Rollback(),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("no adapter was promoted")));
  // What was made keeps answering.
  EXPECT_EQ(*server().harness.Ask({.context_ids = {id}, .question = "Q"}),
            AnswerTo("ABC123", "Q"));
}

TEST_F(PromoterTest, AdaptersOfAnotherModelArePassedOver) {
  StartWith(2);
  ASSERT_THAT(promoter().Promote("niah@1"), IsOk());
  TrainSetup other;
  other.server.engine.model_seed = "another model";
  other.server.engine.has_adapter = false;
  Start(other);
  EXPECT_EQ(InEngine(), "");
  EXPECT_EQ(promoter().InUse().value(), "");
  EXPECT_FALSE(promoter().Fits(server().adapters.Find("niah@1").value()));
  EXPECT_THAT(promoter().Promote("niah@2"),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("ListAdapters says which fit")));
  ASSERT_EQ(server().WaitUntilOver(server().Submit(Request())).adapter,
            "niah@3");
  EXPECT_TRUE(promoter().Fits(server().adapters.Find("niah@3").value()));
  ASSERT_THAT(promoter().Promote("niah@3"), IsOk());
  // Back with the first model: what it used is in use.
  Start();
  EXPECT_EQ(InEngine(), "niah@1");
  ASSERT_THAT(promoter().Promote("niah@2"), IsOk());
  EXPECT_EQ(promoter().Rollback().value(), "niah@1");
  EXPECT_EQ(promoter().Rollback().value(), "");
  Start(other);
  EXPECT_EQ(InEngine(), "niah@3");
  EXPECT_EQ(promoter().Rollback().value(), "");
  EXPECT_EQ(InEngine(), "");
}

class FirstAdapterTest : public testing::Test {
 protected:
  std::string Folder(const std::string& name, const std::string& config) {
    std::filesystem::create_directories(dir_ / name);
    std::ofstream(dir_ / (name + "/adapter_config.json")) << config;
    return dir_ / name;
  }
  static constexpr char kOther[] =
      R"({"fake": true, "gist_tokens": 4,
          "gist": {"base_model_sha256": "another model's"}})";
  TempDir dir_;
  FakeEngine engine_{FakeEngineOptions{.has_adapter = false}};
};

TEST_F(FirstAdapterTest, AutoTakesTheInstalledOneIfItFits) {
  const std::string fits =
      Folder("fits", R"({"fake": true, "gist_tokens": 4})");
  EXPECT_EQ(UseFirstAdapter(engine_, ChoiceOf("auto", fits)).value(), fits);
  EXPECT_EQ(engine_.adapter().name, "fits");
}

TEST_F(FirstAdapterTest, AutoStartsWithoutOneThatIsMissingOrOfAnotherModel) {
  for (const std::string& folder :
       {Folder("other", kOther), std::string(dir_ / "missing")}) {
    EXPECT_EQ(UseFirstAdapter(engine_, ChoiceOf("auto", folder)).value(), "");
    EXPECT_FALSE(engine_.adapter().is_loaded());
  }
  // Damage is no misfit.
  EXPECT_THAT(
      UseFirstAdapter(engine_, ChoiceOf("auto", Folder("bad", "not JSON"))),
      StatusIs(StatusCode::kDataLoss, _));
}

TEST_F(FirstAdapterTest, OneThatIsNamedMustFit) {
  EXPECT_THAT(
      UseFirstAdapter(engine_, ChoiceOf(Folder("other", kOther), "")),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("another model's")));
  EXPECT_THAT(UseFirstAdapter(engine_, ChoiceOf(dir_ / "missing", "")),
              StatusIs(StatusCode::kNotFound, HasSubstr("missing")));
}

TEST_F(FirstAdapterTest, OffIsNone) {
  EXPECT_EQ(UseFirstAdapter(engine_, ChoiceOf("off", "unread")).value(), "");
  EXPECT_FALSE(engine_.adapter().is_loaded());
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
