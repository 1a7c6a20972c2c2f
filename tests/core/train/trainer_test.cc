// Whole trainings on the tiny model: the same losses again and after a stop,
// and what happens when something goes wrong.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "core/train/torch_trainer.h"
#include "tests/core/train/tiny_tasks.h"
#include "tests/core/train/tiny_training.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr int kSteps = 8;

TrainRecipe Recipe() {
  TrainRecipe recipe;
  recipe.name = "tiny";
  recipe.layout = {.gist_tokens = 4,
                   .gists_per_block = 2,
                   .block_overlap_tokens = 4,
                   .segment_tokens = 32,
                   .max_document_tokens = 256,
                   .lora_r = 4,
                   .lora_alpha = 8};
  recipe.gist_counts = {2, 4};
  recipe.stages = {
      {.name = "short", .steps = 3, .min_tokens = 20, .max_tokens = 64},
      {.name = "long", .steps = 5, .min_tokens = 32, .max_tokens = 200}};
  recipe.documents_per_step = 3;
  recipe.accumulate_passes = 2;
  recipe.fresh_segments_per_step = 4;
  recipe.cached_segments = 16;
  recipe.evaluate_every_steps = 4;
  recipe.dev_samples = 6;
  recipe.checkpoint_every_steps = 3;
  recipe.warmup_steps = 2;
  return recipe;
}

TrainSpec Spec(const std::string& folder = "") {
  TrainSpec spec;
  spec.recipe = Recipe();
  spec.tasks = std::make_shared<TinyTasks>();
  spec.dev_tasks = std::make_shared<TinyTasks>();
  spec.folder = folder;
  return spec;
}

class TrainerTest : public testing::Test {
 protected:
  std::unique_ptr<TorchTrainer> Make(const TrainSpec& spec) const {
    auto trainer = MakeTorchTrainer(base_, spec);
    EXPECT_TRUE(trainer.ok()) << trainer.status();
    return trainer.ok() ? *std::move(trainer) : nullptr;
  }
  // Losses by step, from 1 on, until `last_step` or the end.
  static std::vector<double> Losses(TorchTrainer& trainer,
                                    int last_step = kSteps) {
    std::vector<double> losses(size_t(kSteps) + 1, 0);
    while (!trainer.done()) {
      const auto event = trainer.Step();
      EXPECT_TRUE(event.ok()) << event.status();
      if (!event.ok()) break;
      if (event->kind != TrainEvent::Kind::kStep) continue;
      losses[size_t(event->step)] = event->loss;
      if (event->step == last_step && last_step < kSteps) break;
    }
    return losses;
  }
  // The first error of a training.
  static absl::Status Failure(TorchTrainer& trainer) {
    while (!trainer.done()) {
      const auto event = trainer.Step();
      if (!event.ok()) return event.status();
    }
    return absl::OkStatus();
  }
  std::string Checkpoint() const {
    return folder_.path() + "/checkpoint.safetensors";
  }

  const BaseModel base_ = LoadTinyModel();
  TempDir folder_;
};

// A product's weights are dequantized anew in its backward pass.
TEST_F(TrainerTest, QuantizedWeightsGiveLossesNearFloat32) {
  std::vector<std::vector<double>> losses;
  for (const auto weights :
       {WeightStorage::kFloat32, WeightStorage::kQuantized}) {
    const auto base =
        LoadBaseModel("tests/data/tiny/tiny.q4_1.gguf", "cpu", weights);
    ASSERT_THAT(base, IsOk());
    auto trainer = MakeTorchTrainer(*base, Spec());
    ASSERT_THAT(trainer, IsOk());
    losses.push_back(Losses(**trainer));
  }
  EXPECT_GT(losses[0].back(), 0);
  ASSERT_EQ(losses[0].size(), losses[1].size());
  for (size_t i = 0; i < losses[0].size(); ++i)
    EXPECT_NEAR(losses[1][i], losses[0][i], 0.02 * losses[0][i]);
  EXPECT_NE(losses[0], losses[1]);
}

TEST_F(TrainerTest, TakesTheSameStepsFromTheSameSeed) {
  const auto first = Make(Spec()), second = Make(Spec());
  EXPECT_EQ(Losses(*first), Losses(*second));
  TrainSpec other = Spec();
  other.recipe.seed = 2;
  EXPECT_NE(Losses(*Make(Spec())), Losses(*Make(other)));
}

TEST_F(TrainerTest, GoesOnAfterAStopToTheSameLosses) {
  const std::vector<double> whole = Losses(*Make(Spec()));
  for (int stop = 1; stop < kSteps; ++stop) {
    const TempDir folder;
    Losses(*Make(Spec(folder.path())), stop);  // and its process ends
    const std::vector<double> rest = Losses(*Make(Spec(folder.path())));
    const int saved = stop > 6 ? 6 : stop > 3 ? 3 : 0;
    for (int step = saved + 1; step <= kSteps; ++step) {
      EXPECT_EQ(rest[size_t(step)], whole[size_t(step)])
          << "step " << step << " after a stop at " << stop;
    }
  }
}

TEST_F(TrainerTest, AStopThatWasAskedForLosesNoStep) {
  const std::vector<double> whole = Losses(*Make(Spec()));
  {
    const auto trainer = Make(Spec(folder_.path()));
    Losses(*trainer, 5);
    ASSERT_TRUE(trainer->Checkpoint().ok());
  }
  const std::vector<double> rest = Losses(*Make(Spec(folder_.path())));
  EXPECT_EQ(rest[5], 0);
  EXPECT_EQ(rest[6], whole[6]);
  EXPECT_EQ(rest[8], whole[8]);
}

TEST_F(TrainerTest, LearnsAndSaysHowItDoes) {
  TrainSpec spec = Spec();
  spec.recipe.stages = {
      {.name = "all", .steps = kSteps, .min_tokens = 20, .max_tokens = 64}};
  spec.recipe.learning_rate = 0.02;
  const auto trainer = Make(spec);
  std::vector<double> losses;
  int evaluations = 0;
  while (!trainer->done()) {
    const auto event = trainer->Step();
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->steps, kSteps);
    if (event->kind == TrainEvent::Kind::kStep) losses.push_back(event->loss);
    if (event->kind != TrainEvent::Kind::kEvaluated) continue;
    ++evaluations;
    EXPECT_TRUE(event->dev_accuracy.has_value());
    EXPECT_NE(event->message.find("en: exact"), std::string::npos)
        << event->message;
  }
  EXPECT_EQ(evaluations, 2);
  EXPECT_LT(losses.back(), 0.8 * losses.front());
}

TEST_F(TrainerTest, TellsFamiliesApart) {
  TrainSpec spec = Spec();
  spec.dev_tasks = std::make_shared<TinyTasks>(0);
  const auto trainer = Make(spec);
  std::string message;
  while (message.empty() && !trainer->done()) {
    const auto event = trainer->Step();
    ASSERT_TRUE(event.ok()) << event.status();
    if (event->kind == TrainEvent::Kind::kEvaluated) message = event->message;
  }
  EXPECT_NE(message.find("en absent: exact"), std::string::npos) << message;
  EXPECT_EQ(message.find("en: exact"), std::string::npos) << message;
}

TEST_F(TrainerTest, KnowsWhatAStepAskedForIsStillDue) {
  const auto trainer = Make(Spec(folder_.path()));
  EXPECT_TRUE(trainer->between_steps());
  bool evaluated = false, saved = false;
  for (int step = 0; step < 3 || !trainer->between_steps();) {
    const auto event = trainer->Step();
    ASSERT_TRUE(event.ok()) << event.status();
    step = event->step;
    evaluated |= event->kind == TrainEvent::Kind::kEvaluated;
    saved |= event->kind == TrainEvent::Kind::kCheckpoint;
  }
  EXPECT_TRUE(evaluated);  // the first stage's, which ends with step 3
  EXPECT_TRUE(saved);
}

// A kill between a stage's checkpoint and its evaluation must not make the gate
// see an accuracy of nothing.
TEST_F(TrainerTest, EvaluatesAtAStagesEndAfterAKillToo) {
  const auto events = [](TorchTrainer& trainer, TrainEvent::Kind last) {
    std::vector<TrainEvent> seen;
    while (seen.empty() || seen.back().kind != last) {
      auto event = trainer.Step();
      EXPECT_TRUE(event.ok()) << event.status();
      if (!event.ok()) break;
      seen.push_back(*std::move(event));
    }
    return seen;
  };
  events(*Make(Spec(folder_.path())), TrainEvent::Kind::kCheckpoint);
  const auto rest =
      events(*Make(Spec(folder_.path())), TrainEvent::Kind::kStageEnded);
  const auto evaluated =
      std::ranges::find(rest, TrainEvent::Kind::kEvaluated, &TrainEvent::kind);
  ASSERT_NE(evaluated, rest.end());
  EXPECT_EQ(evaluated->step, 3);
}

// Documents of a user's own.
std::vector<Record> Records(int count) {
  std::vector<Record> records;
  for (int i = 0; i < count; ++i) {
    Record record;
    record.context = fmt::format("It was day {}. {}The door said {}.", i,
                                 std::string(size_t(20 * i), 'o'), i * 7);
    record.question = "What did the door say?";
    record.answer = fmt::format("{}", i * 7);
    records.push_back(std::move(record));
  }
  return records;
}

TEST_F(TrainerTest, ReadsAUsersRecordsForSomeEpochs) {
  TrainSpec spec = Spec(folder_.path());
  spec.tasks = nullptr;
  spec.dev_tasks = nullptr;
  spec.records = Records(9);
  spec.dev_records = Records(3);
  spec.recipe.epochs = 4;            // 36 documents in steps of 6
  spec.recipe.cached_segments = 30;  // less than all of them take
  TrainSpec alone = spec;
  alone.folder.clear();
  const std::vector<double> whole = Losses(*Make(alone));
  EXPECT_GT(whole[6], 0);
  EXPECT_EQ(whole[7], 0);  // there are six
  EXPECT_NE(whole[1], whole[3]);
  Losses(*Make(spec), 4);
  const std::vector<double> rest = Losses(*Make(spec));
  EXPECT_EQ(rest[4], whole[4]);
  EXPECT_EQ(rest[6], whole[6]);
}

TEST_F(TrainerTest, RecordsAndTasksTakeTurns) {
  TrainSpec spec = Spec();
  spec.records = Records(5);
  const std::vector<double> mixed = Losses(*Make(spec));
  EXPECT_GT(mixed[kSteps], 0);
  EXPECT_NE(mixed, Losses(*Make(Spec())));
}

TEST_F(TrainerTest, ARecordThatCannotBeUsedIsNamed) {
  TrainSpec spec = Spec();
  spec.records = Records(4);
  spec.records[2].context = std::string(2000, 'o');
  EXPECT_THAT(
      MakeTorchTrainer(base_, spec),
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::HasSubstr("record 3: 2000 tokens, want 1 to 256")));
  spec.records[2].context.clear();
  EXPECT_THAT(MakeTorchTrainer(base_, spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("record 3: its context is empty")));
}

TEST_F(TrainerTest, SeveralFactsAndAbsentOnesAreLearnedToo) {
  for (const int keys : {0, 4}) {
    TrainSpec spec = Spec();
    spec.tasks = std::make_shared<TinyTasks>(keys);
    const std::vector<double> losses = Losses(*Make(spec));
    for (int step = 1; step <= kSteps; ++step)
      EXPECT_GT(losses[size_t(step)], 0);
  }
}

TEST_F(TrainerTest, PassesAddUpToOneBigPass) {
  for (const bool over_questions : {false, true}) {
    TrainSpec one = Spec(), two = Spec();
    one.recipe.documents_per_step = 6;
    one.recipe.accumulate_passes = 1;
    one.recipe.mean_over_questions = over_questions;
    two.recipe.mean_over_questions = over_questions;
    const std::vector<double> whole = Losses(*Make(one)),
                              parts = Losses(*Make(two));
    for (int step = 1; step <= kSteps; ++step) {
      EXPECT_NEAR(whole[size_t(step)], parts[size_t(step)], 1e-3) << step;
    }
  }
}

TEST_F(TrainerTest, AMissedGateEndsTrainingWithFigures) {
  TrainSpec spec = Spec();
  spec.recipe.stages[0].gate_accuracy = 1.0;
  const absl::Status status = Failure(*Make(spec));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(Message(status).find("stage short: dev accuracy"),
            std::string::npos)
      << status;
  EXPECT_NE(Message(status).find("the gate is 100.0 %"), std::string::npos)
      << status;
}

TEST_F(TrainerTest, ALossThatIsNoNumberKeepsTheLastCheckpoint) {
  Losses(*Make(Spec(folder_.path())), 5);
  const std::string before = ReadFile(Checkpoint());
  TrainSpec spec = Spec(folder_.path());
  const auto trainer = Make(spec);
  ASSERT_FALSE(before.empty());

  TrainSpec wild = Spec();
  wild.recipe.learning_rate = 1e30;
  wild.recipe.embedding_learning_rate = 1e30;
  const auto diverging = Make(wild);
  const absl::Status status = Failure(*diverging);
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_NE(Message(status).find("learning_rate"), std::string::npos) << status;
  EXPECT_EQ(diverging->Step().status(), status);  // and it stays so
  EXPECT_EQ(ReadFile(Checkpoint()), before);
}

// A file size limit stands in for a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(TrainerTest, AFullDiskKeepsTheLastCheckpoint) {
  const auto trainer = Make(Spec(folder_.path()));
  Losses(*trainer, 5);
  const std::string before = ReadFile(Checkpoint());
  absl::Status status;
  {
    const FileSizeLimit limit(1000);
    status = trainer->Checkpoint();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReadFile(Checkpoint()), before);
  EXPECT_FALSE(std::filesystem::exists(Checkpoint() + ".new"));
  EXPECT_TRUE(trainer->Checkpoint().ok());  // there is room again
}

TEST_F(TrainerTest, EveryFlippedByteOfACheckpointIsFound) {
  Losses(*Make(Spec(folder_.path())), 4);
  const std::string whole = ReadFile(Checkpoint());
  for (size_t at = 0; at < whole.size(); at += whole.size() / 61) {
    std::string damaged = whole;
    damaged[at] = char(damaged[at] ^ 0x10);
    std::ofstream(Checkpoint(), std::ios::binary) << damaged;
    const auto trainer = MakeTorchTrainer(base_, Spec(folder_.path()));
    EXPECT_FALSE(trainer.ok()) << "byte " << at;
  }
}

TEST_F(TrainerTest, ACheckpointOfAnotherRecipeIsRefused) {
  Losses(*Make(Spec(folder_.path())), 4);
  TrainSpec other = Spec(folder_.path());
  other.recipe.learning_rate *= 2;
  const auto trainer = MakeTorchTrainer(base_, other);
  EXPECT_TRUE(absl::IsFailedPrecondition(trainer.status())) << trainer.status();
}

TEST_F(TrainerTest, NothingToLearnFromIsAnError) {
  TrainSpec spec = Spec();
  spec.tasks = nullptr;
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTorchTrainer(base_, spec).status()));
  spec = Spec();
  spec.recipe.stages.clear();
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTorchTrainer(base_, spec).status()));
}

// Text, question and answer learn too: to measure, never to serve.
TEST_F(TrainerTest, LoraEverywhereLearnsIsScoredAndCannotBeServed) {
  TrainSpec spec = Spec();
  spec.recipe.layout.lora_everywhere = true;
  spec.recipe.gist_counts = {};
  spec.recipe.learning_rate = 0.02;
  spec.recipe.stages = {
      {.name = "short", .steps = 30, .min_tokens = 20, .max_tokens = 64}};
  spec.recipe.evaluate_every_steps = 0;
  const auto trainer = Make(spec);
  std::vector<double> losses;
  int scored = 0;
  while (!trainer->done()) {
    const auto event = trainer->Step();
    ASSERT_THAT(event, IsOk());
    if (event->kind == TrainEvent::Kind::kStep) losses.push_back(event->loss);
    scored += event->kind == TrainEvent::Kind::kEvaluated;
  }
  EXPECT_LT(losses.back(), 0.8 * losses.front());
  EXPECT_EQ(scored, 1);
  const std::string folder = folder_.path() + "/everywhere";
  ASSERT_THAT(trainer->ExportAdapter(folder), IsOk());
  const auto loaded = Adapter::Load(folder, base_.transformer->config(),
                                    base_.fingerprint, "cpu");
  EXPECT_TRUE(absl::IsUnimplemented(loaded.status())) << loaded.status();
}

TEST_F(TrainerTest, AnExportedAdapterIsWhereTheNextTrainingStarts) {
  const auto trainer = Make(Spec());
  Losses(*trainer, 5);
  const std::string exact = folder_.path() + "/exact",
                    half = folder_.path() + "/half";
  ASSERT_TRUE(trainer->ExportFloat32(exact).ok());
  ASSERT_TRUE(trainer->ExportAdapter(half).ok());
  for (const std::string& folder : {exact, half}) {
    const auto adapter = Adapter::Load(folder, base_.transformer->config(),
                                       base_.fingerprint, "cpu");
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    EXPECT_EQ((*adapter)->config().gists_per_block, 2);
  }
  TrainSpec next = Spec();
  next.start_adapter = exact;
  const auto further = Make(next);
  const std::string again = folder_.path() + "/again";
  ASSERT_TRUE(further->ExportFloat32(again).ok());
  EXPECT_EQ(ReadFile(again + "/adapter_model.safetensors"),
            ReadFile(exact + "/adapter_model.safetensors"));
}

}  // namespace
}  // namespace gist
