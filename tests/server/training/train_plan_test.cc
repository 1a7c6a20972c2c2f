#include "server/training/train_plan.h"

#include <string>
#include <vector>

#include "tests/server/training/train_harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;

class TrainPlanTest : public TrainTest {
 protected:
  TrainPlanTest() { Start(); }
  absl::StatusOr<TrainSpec> Plan(const TrainRequest& request) {
    return server().planner.Plan(request, request.preset, "folder");
  }
  std::string AddDocuments(int count, int questions = 1) {
    std::string lines;
    for (int i = 0; i < count * questions; ++i) {
      lines += fmt::format(
          "{{\"context\": \"document {}\", \"question\": \"q"
          "{}\", \"answer\": \"a\"}}\n",
          i / questions, i);
    }
    return server().datasets.Add(lines)->dataset_id;
  }
};

TEST_F(TrainPlanTest, NamesThatCouldBePathsAreRefused) {
  for (const char* name :
       {"", "..", "../x", "a/b", "/etc/passwd", "a.b", "A", "a b", "a\n",
        "\xff", "niah@1", "a\\b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    TrainRequest request = Request();
    request.name = name;
    EXPECT_THAT(
        manager().Submit(request),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("want 1 to 64")))
        << name;
    request = Request();
    request.preset = name;
    EXPECT_THAT(
        manager().Submit(request),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("want 1 to 64")))
        << name;
    request = Request();
    request.dataset_ids = {name};
    EXPECT_THAT(manager().Submit(request), StatusIs(StatusCode::kNotFound, _))
        << name;
    if (std::string(name).empty() || std::string(name) == "niah@1") continue;
    request = Request();
    request.start_adapter = name;
    EXPECT_THAT(manager().Submit(request), StatusIs(StatusCode::kNotFound, _))
        << name;
  }
  EXPECT_TRUE(manager().List().empty());
}

TEST_F(TrainPlanTest, UnknownPresetsAndGeneratorsAreNamed) {
  EXPECT_THAT(Plan(Request("gist_11")),
              StatusIs(StatusCode::kNotFound, HasSubstr("gist_11")));
  TrainRequest request = Request();
  request.generator->name = "poems";
  EXPECT_THAT(Plan(request),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("poems")));
}

TEST_F(TrainPlanTest, NumbersOutOfRangeAreRefused) {
  const auto refuses = [&](const auto& set) {
    TrainRequest request = Request();
    set(request);
    EXPECT_THAT(Plan(request), StatusIs(StatusCode::kInvalidArgument,
                                        HasSubstr("or 0 for the preset's")));
  };
  refuses([](TrainRequest& r) { r.steps = -1; });
  refuses([](TrainRequest& r) { r.steps = 20'000'000; });
  refuses([](TrainRequest& r) { r.documents_per_step = 1000; });
  refuses([](TrainRequest& r) { r.learning_rate = 2; });
  refuses([](TrainRequest& r) { r.learning_rate = std::nan(""); });
  refuses([](TrainRequest& r) { r.gist_tokens = 5000; });
  refuses([](TrainRequest& r) { r.max_tokens = 8; });
  refuses([](TrainRequest& r) { r.generator->samples = -5; });
  TrainRequest request = Request();
  request.steps = 5;
  request.generator->samples = 10;
  EXPECT_THAT(Plan(request), StatusIs(StatusCode::kInvalidArgument,
                                      HasSubstr("leave one out")));
  request = Request();
  request.generator.reset();
  EXPECT_THAT(Plan(request), StatusIs(StatusCode::kInvalidArgument,
                                      HasSubstr("nothing to learn from")));
}

TEST_F(TrainPlanTest, OverridesTakeThePresetsPlace) {
  TrainRequest request = Request();
  request.steps = 5;
  request.documents_per_step = 2;
  request.learning_rate = 0.5;
  request.seed = 9;
  request.gist_tokens = 8;
  request.max_tokens = 96;
  const auto spec = Plan(request);
  ASSERT_THAT(spec, IsOk());
  const TrainRecipe& recipe = spec->recipe;
  EXPECT_EQ(recipe.stages[0].steps + recipe.stages[1].steps, 5);
  EXPECT_EQ(recipe.stages[0].max_tokens, 96);
  EXPECT_EQ(recipe.stages[1].min_tokens, 96);
  EXPECT_EQ(recipe.documents_per_step, 2);
  EXPECT_EQ(recipe.learning_rate, 0.5);
  EXPECT_EQ(recipe.seed, 9u);
  EXPECT_EQ(recipe.layout.gist_tokens, 8);
  EXPECT_EQ(recipe.layout.gists_per_block, 5);  // the preset's
  EXPECT_EQ(recipe.next_recipe, "");
  EXPECT_EQ(spec->folder, "folder");
  EXPECT_NE(spec->tasks, nullptr);
  EXPECT_NE(spec->dev_tasks, nullptr);
}

TEST_F(TrainPlanTest, SamplesSayHowManySteps) {
  TrainRequest request = Request();
  request.generator->samples = 401;
  const auto spec = Plan(request);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->recipe.stages[0].steps + spec->recipe.stages[1].steps, 101);
}

TEST_F(TrainPlanTest, DatasetsTakeThreeEpochsAndHoldATenthOut) {
  TrainRequest request = Request();
  request.generator.reset();
  request.dataset_ids = {AddDocuments(30, 2)};
  const auto spec = Plan(request);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->recipe.epochs, 3);
  EXPECT_EQ(spec->records.size(), 54u);
  EXPECT_EQ(spec->dev_records.size(), 6u);
  for (const Record& dev : spec->dev_records) {
    for (const Record& record : spec->records) {
      EXPECT_NE(dev.context, record.context);
    }
  }
  request.dev_dataset_ids = {AddDocuments(2)};
  const auto with_dev = Plan(request);
  ASSERT_THAT(with_dev, IsOk());
  EXPECT_EQ(with_dev->records.size(), 60u);
  EXPECT_EQ(with_dev->dev_records.size(), 2u);
}

TEST_F(TrainPlanTest, OneDocumentAloneIsTooFew) {
  TrainRequest request = Request();
  request.generator.reset();
  request.dataset_ids = {AddDocuments(1, 5)};
  EXPECT_THAT(Plan(request), StatusIs(StatusCode::kInvalidArgument,
                                      HasSubstr("one document alone")));
}

TEST_F(TrainPlanTest, AnAdapterOfBeforeIsGoneOnFrom) {
  server().WaitUntilOver(server().Submit(Request()));
  TrainRequest request = Request();
  request.start_adapter = "niah";
  const auto spec = Plan(request);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->start_adapter, folder() + "/adapters/niah/niah@1");
  const Training training = server().WaitUntilOver(server().Submit(request));
  EXPECT_EQ(training.start_adapter, "niah@1");
  EXPECT_EQ(training.adapter, "niah@2");
}

}  // namespace
}  // namespace gist
