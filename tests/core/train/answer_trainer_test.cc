// Training an answer adapter on the tiny model, and serving what came of it.
#include "core/train/answer_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/embed/fake_embedder.h"
#include "core/engine/torch_engine.h"
#include "tests/core/train/tiny_training.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;

constexpr char kAdapter[] = "tests/data/tiny/adapter_blocks";
constexpr int kSteps = 60;

std::vector<Record> Records() {
  std::vector<Record> records;
  for (int i = 0; i < 4; ++i) {
    Record record;
    record.context = fmt::format("on and on. Key is {}. so it goes.", i);
    for (const char* const question : {"Key?", "Which key?"}) {
      record.question = question;
      record.answer = fmt::format("{}", i);
      record.language = i % 2 == 0 ? "en" : "ko";
      records.push_back(record);
    }
  }
  return records;
}

TrainSpec Spec(const std::string& folder = "") {
  TrainSpec spec;
  spec.recipe.name = "answer";
  spec.recipe.layout.lora_r = 4;
  spec.recipe.layout.lora_alpha = 8;
  spec.recipe.layout.lora_mlp = true;
  spec.recipe.gist_counts = {2, 4};
  spec.recipe.stages = {{.name = "answer", .steps = kSteps}};
  spec.recipe.documents_per_step = 2;
  spec.recipe.learning_rate = 2e-2;
  spec.recipe.warmup_steps = 2;
  spec.recipe.evaluate_every_steps = kSteps;
  spec.recipe.checkpoint_every_steps = 20;
  spec.records = spec.dev_records = Records();
  spec.folder = folder;
  return spec;
}

class AnswerTrainerTest : public testing::Test {
 protected:
  std::unique_ptr<TorchTrainer> Make(const TrainSpec& spec) {
    auto trainer = MakeAnswerTrainer(base_, embedder_, kAdapter, spec);
    EXPECT_THAT(trainer, IsOk());
    return trainer.ok() ? *std::move(trainer) : nullptr;
  }
  // Until step `last`, or the end; with the evaluations' accuracies.
  static std::vector<double> Losses(TorchTrainer& trainer, int last = kSteps,
                                    std::vector<double>* accuracies = nullptr) {
    std::vector<double> losses;
    while (!trainer.done()) {
      const auto event = trainer.Step();
      EXPECT_THAT(event, IsOk());
      if (!event.ok()) break;
      if (event->kind == TrainEvent::Kind::kEvaluated && accuracies) {
        accuracies->push_back(*event->dev_accuracy);
      }
      if (event->kind != TrainEvent::Kind::kStep) continue;
      losses.push_back(event->loss);
      if (event->step == last && last < kSteps) break;
    }
    return losses;
  }
  absl::StatusOr<std::unique_ptr<Engine>> EngineWith(
      const std::string& adapter) const {
    return MakeTorchEngine({.model_path = kTinyModel,
                            .adapter_path = kAdapter,
                            .answer_adapter_path = adapter});
  }

  const BaseModel base_ = LoadTinyModel();
  FakeEmbedder embedder_;
  TempDir folder_;
};

// The first token of each answer to a question over the text itself.
std::vector<int32_t> Answers(Engine& engine, const std::vector<bool>& trained) {
  std::vector<std::unique_ptr<PromptSequence>> prompts;
  std::vector<PromptSequence*> batch;
  for (size_t i = 0; i < trained.size(); ++i) {
    const Record record = Records()[2 * (i % 4)];
    prompts.push_back(*engine.StartPrompt({}));
    EXPECT_THAT(
        engine.Prefill(*prompts.back(), *engine.Tokenize(record.context)),
        IsOk());
    if (trained[i]) {
      EXPECT_THAT(engine.UseAnswerAdapter(*prompts.back()), IsOk());
    }
    EXPECT_THAT(engine.Prefill(*prompts.back(),
                               *engine.TokenizeQuestion(record.question)),
                IsOk());
    batch.push_back(prompts.back().get());
  }
  std::vector<int32_t> ids;
  for (int step = 0; step < 2; ++step) {
    const auto tokens = engine.Decode(batch);
    EXPECT_THAT(tokens, IsOk());
    for (const DecodedToken& token : *tokens) ids.push_back(token.id);
  }
  return ids;
}

TEST_F(AnswerTrainerTest, LearnsAndTheEngineAnswersAsItWasScored) {
  const TrainSpec spec = Spec(folder_.path());
  const auto trainer = Make(spec);
  ASSERT_NE(trainer, nullptr);
  std::vector<double> accuracies;
  const std::vector<double> losses = Losses(*trainer, kSteps, &accuracies);
  ASSERT_EQ(losses.size(), size_t(kSteps));
  EXPECT_LT(losses.back(), losses.front() / 2);
  ASSERT_EQ(accuracies.size(), 2u);  // before the first step, and at the end
  EXPECT_GT(accuracies[1], accuracies[0]);
  const std::string adapter = folder_.path() + "/adapter";
  ASSERT_THAT(trainer->ExportFloat32(adapter), IsOk());
  const auto evaluated = trainer->Evaluate(adapter, [] { return true; });
  ASSERT_THAT(evaluated, IsOk());
  EXPECT_EQ(*evaluated, accuracies[1]);

  const auto engine = EngineWith(adapter);
  ASSERT_THAT(engine, IsOk());
  EXPECT_EQ((*engine)->answer_adapter().name, "adapter");
  EXPECT_EQ((*engine)->answer_adapter().fingerprint.size(), 64u);
  // A batch of both kinds of answers has each as if alone.
  const auto all = Answers(**engine, {true, true, false, true, false, false});
  const auto trained = Answers(**engine, std::vector<bool>(4, true));
  const auto frozen = Answers(**engine, std::vector<bool>(6, false));
  EXPECT_NE(trained, std::vector(frozen.begin(), frozen.begin() + 4));
  for (const size_t step : {0, 6}) {
    EXPECT_EQ(all[step + 0], trained[step / 6 * 4 + 0]);
    EXPECT_EQ(all[step + 1], trained[step / 6 * 4 + 1]);
    EXPECT_EQ(all[step + 2], frozen[step + 2]);
    EXPECT_EQ(all[step + 3], trained[step / 6 * 4 + 3]);
    EXPECT_EQ(all[step + 4], frozen[step + 4]);
    EXPECT_EQ(all[step + 5], frozen[step + 5]);
  }
}

TEST_F(AnswerTrainerTest, ARewoundPromptIsTheFrozenModelsAgain) {
  const auto trainer = Make(Spec());
  ASSERT_NE(trainer, nullptr);
  Losses(*trainer, 10);
  const std::string adapter = folder_.path() + "/adapter";
  ASSERT_THAT(trainer->ExportFloat32(adapter), IsOk());
  const auto engine = EngineWith(adapter);
  ASSERT_THAT(engine, IsOk());
  const auto question = *(*engine)->TokenizeQuestion("Key?");
  const auto text = *(*engine)->Tokenize(Records()[0].context);
  const auto first_token = [&](PromptSequence& prompt) {
    EXPECT_THAT((*engine)->Prefill(prompt, question), IsOk());
    PromptSequence* const batch[] = {&prompt};
    return (*engine)->Decode(batch)->front().id;
  };
  const auto prompt = *(*engine)->StartPrompt({});
  ASSERT_THAT((*engine)->Prefill(*prompt, text), IsOk());
  const int held = prompt->tokens();
  const int32_t frozen = first_token(*prompt);
  ASSERT_THAT((*engine)->Rewind(*prompt, held, {}), IsOk());
  ASSERT_THAT((*engine)->UseAnswerAdapter(*prompt), IsOk());
  first_token(*prompt);
  ASSERT_THAT((*engine)->Rewind(*prompt, held, {}), IsOk());
  EXPECT_EQ(first_token(*prompt), frozen);
}

TEST_F(AnswerTrainerTest, GoesOnFromItsCheckpoint) {
  const std::vector<double> whole = Losses(*Make(Spec()));
  Losses(*Make(Spec(folder_.path())), 30);  // the checkpoint is of step 20
  const std::vector<double> rest = Losses(*Make(Spec(folder_.path())));
  ASSERT_EQ(rest.size(), 40u);
  EXPECT_EQ(rest, std::vector(whole.begin() + 20, whole.end()));
}

TEST_F(AnswerTrainerTest, StartsFromAnAnswerAdapterThatIsThere) {
  const auto first = Make(Spec());
  std::vector<double> before, after;
  Losses(*first, kSteps, &before);
  const std::string adapter = folder_.path() + "/adapter";
  ASSERT_THAT(first->ExportFloat32(adapter), IsOk());
  TrainSpec spec = Spec();
  spec.start_adapter = adapter;
  Losses(*Make(spec), kSteps, &after);
  ASSERT_GE(after.size(), 1u);
  EXPECT_EQ(after[0], before[1]);
  spec.start_adapter = kAdapter;
  EXPECT_THAT(MakeAnswerTrainer(base_, embedder_, kAdapter, spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no \"answer\" object")));
}

TEST_F(AnswerTrainerTest, LoadsAFolderOfTheOldName) {
  const std::string adapter = folder_.path() + "/adapter";
  ASSERT_THAT(Make(Spec())->ExportFloat32(adapter), IsOk());
  const auto present = EngineWith(adapter);
  ASSERT_THAT(present, IsOk());
  const std::string path = adapter + "/adapter_config.json";
  std::string config = ReadFile(path);
  const size_t at = config.find("\"answer\"");
  ASSERT_NE(at, config.npos);
  std::ofstream(path) << config.replace(at, 8, "\"reader\"");
  const auto old = EngineWith(adapter);
  ASSERT_THAT(old, IsOk());
  EXPECT_EQ((*old)->answer_adapter().fingerprint,
            (*present)->answer_adapter().fingerprint);
}

TEST_F(AnswerTrainerTest, RefusesWhatIsNoAnswerAdapter) {
  EXPECT_THAT(EngineWith(kAdapter),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no \"answer\" object")));
  const auto engine = EngineWith("");
  ASSERT_THAT(engine, IsOk());
  EXPECT_EQ((*engine)->answer_adapter().fingerprint, "");
  EXPECT_THAT((*engine)->UseAnswerAdapter(**(*engine)->StartPrompt({})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("")));
  TrainSpec empty = Spec();
  empty.records.clear();
  EXPECT_THAT(MakeAnswerTrainer(base_, embedder_, kAdapter, empty),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("nothing to learn from")));
}

}  // namespace
}  // namespace gist
