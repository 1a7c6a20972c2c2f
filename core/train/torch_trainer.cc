#include "core/train/torch_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>

#include "core/base/clock.h"
#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/model/adapter.h"
#include "core/model/decoder.h"
#include "core/model/device.h"
#include "core/model/ops.h"
#include "core/train/adapter_files.h"
#include "core/train/checkpoint.h"
#include "core/train/dev_set.h"
#include "core/train/optimizer.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/passes/whole_pass.h"
#include "core/train/recipe.h"
#include "core/train/time_estimate.h"
#include "core/train/train_data.h"

namespace gist {
namespace {

constexpr char kCheckpointName[] = "checkpoint.safetensors";
// What gist embeddings start as: the end of a plain instruction.
constexpr char kInstruction[] =
    "\n\nThe secret passkey mentioned in the text above, with every important "
    "name, "
    "number, code and fact, is the following text: ";

enum class Chore { kCheckpoint, kEvaluate, kEndStage };

class TorchTrainerImpl final : public TorchTrainer {
 public:
  TorchTrainerImpl(const BaseModel& base, TrainSpec spec, BaseWeights exact,
                   BaseWeights training);

  absl::Status Start();
  absl::StatusOr<TrainEvent> Step() override;
  bool done() const override { return done_; }
  bool between_steps() const override { return chores_.empty(); }
  absl::Status ExportAdapter(const std::string& folder) const override {
    return Export(folder, /*float32=*/false);
  }
  absl::Status ExportFloat32(const std::string& folder) const override {
    return Export(folder, /*float32=*/true);
  }
  absl::Status Checkpoint() override;
  absl::StatusOr<double> Evaluate(const std::string& folder,
                                  const std::function<bool()>& go_on) override;

 private:
  const TrainRecipe& recipe() const { return spec_.recipe; }
  size_t StageAt(int step) const;  // index; the last one at the end
  std::string CheckpointPath() const {
    return spec_.folder + "/" + kCheckpointName;
  }
  TrainEvent Event(TrainEvent::Kind kind) const;
  absl::Status Export(const std::string& folder, bool float32) const;
  absl::Status InitEmbeddings();
  absl::Status StartData();
  bool HasDev() const {
    return !spec_.dev_records.empty() ||
           (spec_.dev_tasks != nullptr && recipe().dev_samples > 0);
  }
  absl::StatusOr<std::unique_ptr<DevSet>> MakeDevSet(
      const GistLayout& layout) const;
  absl::Status Resume();
  void QueueChores(bool resumed);

  absl::StatusOr<TrainEvent> NextEvent();
  std::optional<TrainEvent> Read();
  TrainEvent ExpectedTime();
  absl::StatusOr<TrainEvent> Train();
  absl::StatusOr<TrainEvent> DoChore();
  absl::StatusOr<TrainEvent> EvaluateSome();
  TrainEvent EvaluationEvent();
  absl::StatusOr<TrainEvent> EndStage();

  absl::StatusOr<double> Backward(const std::vector<Pass>& passes);

  const BaseModel& base_;
  const TrainSpec spec_;
  const BaseWeights exact_;  // for evaluation: as the model will be used
  const BaseWeights training_;
  std::unique_ptr<TrainData> data_;
  std::unique_ptr<DevSet> dev_;  // where there are dev records or tasks
  AdapterParameters parameters_;
  std::string recipe_hash_;

  int step_ = 0;  // optimizer steps done
  double smooth_loss_ = 0;
  TimeEstimate estimate_;
  bool told_time_ = false;     // the expected time of the whole
  int64_t filler_tokens_ = 0;  // read before the first step
  double dev_seconds_ = 0;     // of the running evaluation
  std::deque<Chore> chores_;
  bool done_ = false;
  absl::Status failure_;

  int dev_position_ = 0;  // lessons scored in the running evaluation
  DevScores dev_scores_;
  double last_accuracy_ = 0;
};

// Over all that the losses depend on, but for what tasks are made from: what
// comes after this recipe does not.
std::string HashOf(TrainSpec spec, const std::string& model_fingerprint) {
  spec.recipe.next_recipe.clear();
  std::string all = ToYaml(spec.recipe) + model_fingerprint;
  for (const Record& record : spec.records) {
    all += Sha256Hex(record.context) + Sha256Hex(record.question) +
           Sha256Hex(record.answer);
  }
  return Sha256Hex(all);
}

// Records that are to be read `epochs` times say themselves how many steps it
// takes.
TrainSpec WithEpochs(TrainSpec spec) {
  TrainRecipe& recipe = spec.recipe;
  if (recipe.epochs <= 0 || spec.records.empty()) return spec;
  const size_t documents =
      size_t(recipe.documents_per_step) * size_t(recipe.accumulate_passes);
  const size_t draws = spec.records.size() * size_t(recipe.epochs);
  TrainStage stage = recipe.stages.back();
  stage.name = "epochs";
  stage.steps = int((draws + documents - 1) / documents);
  recipe.stages = {stage};
  return spec;
}

TorchTrainerImpl::TorchTrainerImpl(const BaseModel& base, TrainSpec spec,
                                   BaseWeights exact, BaseWeights training)
    : base_(base),
      spec_(WithEpochs(std::move(spec))),
      exact_(std::move(exact)),
      training_(std::move(training)),
      parameters_(
          InitialParameters(exact_.config, spec_.recipe, exact_.device())),
      recipe_hash_(HashOf(spec_, base.fingerprint)),
      estimate_(spec_.recipe, HasDev()) {}

size_t TorchTrainerImpl::StageAt(int step) const {
  size_t stage = 0;
  for (; stage + 1 < recipe().stages.size(); ++stage) {
    step -= recipe().stages[stage].steps;
    if (step < 0) break;
  }
  return stage;
}

absl::Status TorchTrainerImpl::InitEmbeddings() {
  GIST_ASSIGN_OR_RETURN(const auto ids, base_.tokenizer->Encode(kInstruction));
  const at::NoGradGuard no_grad;
  const int64_t slots = recipe().layout.gists_per_block;
  const int64_t have = int64_t(ids.size());
  const int64_t first = (slots + have - 1) / have * have - slots;
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < slots; ++i)
    rows.push_back(ids[size_t((first + i) % have)]);
  parameters_.adapter().embeddings.detach().copy_(
      Embed(exact_, FromIds(rows, exact_.device())));
  return absl::OkStatus();
}

absl::Status TorchTrainerImpl::Resume() {
  GIST_ASSIGN_OR_RETURN(
      const TrainProgress progress,
      LoadCheckpoint(CheckpointPath(), recipe_hash_, &parameters_));
  step_ = progress.step;
  smooth_loss_ = progress.smooth_loss;
  QueueChores(/*resumed=*/true);
  return absl::OkStatus();
}

absl::Status TorchTrainerImpl::Start() {
  GIST_RETURN_IF_ERROR(InitEmbeddings());
  if (!spec_.start_adapter.empty()) {
    GIST_RETURN_IF_ERROR(ImportAdapterFolder(spec_.start_adapter, exact_.config,
                                             base_.fingerprint, &parameters_));
  }
  if (!spec_.folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(spec_.folder, error);
    if (std::filesystem::exists(CheckpointPath(), error)) {
      GIST_RETURN_IF_ERROR(Resume());
    }
  }
  return StartData();
}

absl::Status TorchTrainerImpl::StartData() {
  GIST_ASSIGN_OR_RETURN(data_, TrainData::Create(base_, training_, spec_));
  GIST_RETURN_IF_ERROR(data_->MoveTo(step_));
  if (HasDev()) {
    GIST_ASSIGN_OR_RETURN(dev_, MakeDevSet(recipe().layout));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DevSet>> TorchTrainerImpl::MakeDevSet(
    const GistLayout& layout) const {
  auto dev = std::make_unique<DevSet>(base_, exact_, layout, recipe().seed);
  if (!spec_.dev_records.empty()) {
    GIST_RETURN_IF_ERROR(dev->UseRecords(spec_.dev_records));
  } else {
    GIST_RETURN_IF_ERROR(dev->UseTasks(spec_.dev_tasks, recipe().dev_samples));
  }
  return dev;
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::Step() {
  if (!failure_.ok()) return failure_;
  auto event = Fence("training", [&] { return NextEvent(); });
  if (!event.ok()) failure_ = event.status();
  return event;
}

TrainEvent TorchTrainerImpl::Event(TrainEvent::Kind kind) const {
  TrainEvent event;
  event.kind = kind;
  event.stage = recipe().stages[StageAt(std::max(0, step_ - 1))].name;
  event.step = step_;
  event.steps = recipe().steps();
  // What is being prepared tells the time once: see ExpectedTime.
  if (kind != TrainEvent::Kind::kPreparing) {
    event.seconds_left = estimate_.SecondsLeft(step_);
  }
  return event;
}

// Before the first step where text was read until then, else after a few steps.
TrainEvent TorchTrainerImpl::ExpectedTime() {
  told_time_ = true;
  TrainEvent event = Event(TrainEvent::Kind::kPreparing);
  event.seconds_left = estimate_.SecondsLeft(step_);
  event.message = fmt::format(
      "about {:.0f} min for {} steps, as busy as this machine is now",
      std::max(1.0, event.seconds_left / 60), recipe().steps() - step_);
  return event;
}

std::optional<TrainEvent> TorchTrainerImpl::Read() {
  const Clock::time_point start = Clock::now();
  const auto reading = data_->ReadForStep(step_);
  if (!reading) return std::nullopt;
  estimate_.AddReading(int(reading->filler_tokens - filler_tokens_),
                       SecondsSince(start));
  filler_tokens_ = std::max(filler_tokens_, reading->filler_tokens);
  TrainEvent event = Event(TrainEvent::Kind::kPreparing);
  event.message = reading->what;
  return event;
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::NextEvent() {
  if (!chores_.empty()) return DoChore();
  if (step_ >= recipe().steps()) {
    done_ = true;
    TrainEvent event = Event(TrainEvent::Kind::kDone);
    event.message =
        fmt::format("{} steps done, running loss {:.3f}", step_, smooth_loss_);
    if (dev_) event.dev_accuracy = last_accuracy_;
    return event;
  }
  if (auto event = Read()) return *std::move(event);
  if (!told_time_ && estimate_.SecondsLeft(step_) > 0) return ExpectedTime();
  return Train();
}

// Adds up the gradients of all passes as if they were one; returns its loss.
absl::StatusOr<double> TorchTrainerImpl::Backward(
    const std::vector<Pass>& passes) {
  const bool over_questions = recipe().mean_over_questions;
  const auto weight_of = [&](const Pass& pass) {
    return double(over_questions ? int64_t(pass.questions.size())
                                 : pass.answer_tokens);
  };
  double weight = 0;
  for (const Pass& pass : passes) weight += weight_of(pass);
  double sum = 0;
  for (const Pass& pass : passes) {
    const Adapter::Impl& adapter = parameters_.adapter();
    const GistLayout& layout = recipe().layout;
    const WrittenGists gists =
        WriteGists(training_, layout, pass.documents, adapter);
    const at::Tensor loss =
        AnswerLoss(ReadAnswers(training_, gists, pass.questions,
                               layout.lora_everywhere ? &adapter : nullptr),
                   over_questions) *
        (weight_of(pass) / weight);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      return absl::InternalError(
          fmt::format("the loss of step {} is {}: lower learning_rate and go "
                      "on from the last "
                      "checkpoint",
                      step_ + 1, value));
    }
    loss.backward();
    sum += value;
  }
  return sum;
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::Train() {
  const Clock::time_point start = Clock::now();
  GIST_RETURN_IF_ERROR(data_->MoveTo(step_));
  GIST_ASSIGN_OR_RETURN(const std::vector<Pass> passes,
                        data_->Passes(step_, recipe().stages[StageAt(step_)]));
  parameters_.gradients.zero_();
  GIST_ASSIGN_OR_RETURN(const double loss, Backward(passes));
  const double norm = ClipGradients(parameters_, recipe().clip_norm);
  if (!std::isfinite(norm)) {
    return absl::InternalError(
        fmt::format("the gradient's norm of step {} is {}: lower learning_rate "
                    "and go on from "
                    "the last checkpoint",
                    step_ + 1, norm));
  }
  const double factor = LearningRateFactor(recipe(), step_, recipe().steps());
  AdamWStep(parameters_, recipe(), step_ + 1, factor);
  smooth_loss_ = step_ == 0 ? loss : SmoothLoss(smooth_loss_, loss);
  ++step_;
  QueueChores(/*resumed=*/false);

  const double seconds = SecondsSince(start);
  estimate_.AddStep(seconds);
  int64_t tokens = 0;
  for (const Pass& pass : passes) tokens += pass.tokens;
  TrainEvent event = Event(TrainEvent::Kind::kStep);
  event.loss = loss;
  event.gradient_norm = norm;
  event.learning_rate = recipe().learning_rate * factor;
  event.tokens_per_second = double(tokens) / seconds;
  return event;
}

// What is due after the step that was just done.
void TorchTrainerImpl::QueueChores(bool resumed) {
  const auto due = [&](int every) { return every > 0 && step_ % every == 0; };
  const bool stage_ends =
      step_ == recipe().steps() || StageAt(step_) != StageAt(step_ - 1);
  const bool saves = due(recipe().checkpoint_every_steps) || stage_ends;
  if (saves && !resumed && !spec_.folder.empty()) {
    chores_.push_back(Chore::kCheckpoint);
  }
  if (HasDev() && (due(recipe().evaluate_every_steps) || stage_ends)) {
    chores_.push_back(Chore::kEvaluate);
  }
  if (stage_ends) chores_.push_back(Chore::kEndStage);
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::DoChore() {
  if (chores_.front() == Chore::kEvaluate) return EvaluateSome();
  const Chore chore = chores_.front();
  chores_.pop_front();
  if (chore == Chore::kEndStage) return EndStage();
  GIST_RETURN_IF_ERROR(Checkpoint());
  return Event(TrainEvent::Kind::kCheckpoint);
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::EvaluateSome() {
  TrainEvent event = Event(TrainEvent::Kind::kPreparing);
  event.message = "reading dev text";
  if (dev_->ReadOne()) return event;
  const Clock::time_point start = Clock::now();
  const int tokens = recipe().stages[StageAt(step_ - 1)].max_tokens;
  const int end = dev_->BatchEnd(dev_position_);
  GIST_ASSIGN_OR_RETURN(
      const DevScores scores,
      dev_->Score(dev_position_, end, tokens, parameters_.adapter()));
  for (const auto& [kind, score] : scores) dev_scores_[kind].Add(score);
  dev_position_ = end;
  dev_seconds_ += SecondsSince(start);
  if (end == dev_->documents()) return EvaluationEvent();
  event.message =
      fmt::format("scored {} of {} dev documents", end, dev_->documents());
  return event;
}

TrainEvent TorchTrainerImpl::EvaluationEvent() {
  estimate_.AddEvaluation(std::exchange(dev_seconds_, 0));
  TrainEvent event = Event(TrainEvent::Kind::kEvaluated);
  DevScore all;
  event.message =
      fmt::format("{} tokens", recipe().stages[StageAt(step_ - 1)].max_tokens);
  for (const auto& [kind, score] : dev_scores_) {
    event.message +=
        fmt::format("; {}: exact {}/{} = {:.1f} %, characters {:.1f} %", kind,
                    score.exact, score.samples, 100 * score.accuracy(),
                    100 * score.characters / std::max(1, score.samples));
    all.Add(score);
  }
  last_accuracy_ = all.accuracy();
  event.dev_accuracy = last_accuracy_;
  dev_scores_.clear();
  dev_position_ = 0;
  chores_.pop_front();
  return event;
}

absl::StatusOr<TrainEvent> TorchTrainerImpl::EndStage() {
  const TrainStage& stage = recipe().stages[StageAt(step_ - 1)];
  if (dev_ && last_accuracy_ < stage.gate_accuracy) {
    return absl::FailedPreconditionError(
        fmt::format("stage {}: dev accuracy {:.1f} % at {} tokens, the gate is "
                    "{:.1f} %: train "
                    "the stage longer, or with more gists than {}",
                    stage.name, 100 * last_accuracy_, stage.max_tokens,
                    100 * stage.gate_accuracy, recipe().layout.gist_tokens));
  }
  TrainEvent event = Event(TrainEvent::Kind::kStageEnded);
  event.message = fmt::format("stage {} done", stage.name);
  if (dev_) {
    event.dev_accuracy = last_accuracy_;
    event.message +=
        fmt::format(": dev accuracy {:.1f} %, the gate was {:.1f} %",
                    100 * last_accuracy_, 100 * stage.gate_accuracy);
  }
  return event;
}

// The same documents and questions, compressed as the other adapter lays its
// gists out.
absl::StatusOr<double> TorchTrainerImpl::Evaluate(
    const std::string& folder, const std::function<bool()>& go_on) {
  if (!HasDev()) {
    return absl::FailedPreconditionError("the training has no dev samples");
  }
  GIST_ASSIGN_OR_RETURN(const auto adapter,
                        Adapter::Load(folder, exact_.config, base_.fingerprint,
                                      exact_.device().str()));
  GIST_ASSIGN_OR_RETURN(
      const auto dev,
      MakeDevSet(WithGistsOf(adapter->config(), recipe().layout)));
  const int tokens = recipe().stages.back().max_tokens;
  DevScore all;
  for (int begin = 0; begin < dev->documents();) {
    if (!go_on()) return absl::CancelledError("the evaluation was stopped");
    if (dev->ReadOne()) continue;
    const int end = dev->BatchEnd(begin);
    GIST_ASSIGN_OR_RETURN(const DevScores scores,
                          dev->Score(begin, end, tokens, adapter->impl()));
    for (const auto& [kind, score] : scores) all.Add(score);
    begin = end;
  }
  return all.accuracy();
}

absl::Status TorchTrainerImpl::Checkpoint() {
  return SaveCheckpoint(CheckpointPath(), parameters_,
                        {step_, recipe_hash_, smooth_loss_});
}

absl::Status TorchTrainerImpl::Export(const std::string& folder,
                                      bool float32) const {
  return ExportAdapterFolder(folder, parameters_, recipe().layout,
                             {.model_name = exact_.config.name,
                              .model_fingerprint = base_.fingerprint,
                              .recipe_name = recipe().name,
                              .steps = step_,
                              .float32 = float32});
}

absl::Status CheckSpec(const TrainSpec& spec) {
  GIST_RETURN_IF_ERROR(CheckRecipe(spec.recipe));
  if (spec.tasks == nullptr && spec.records.empty()) {
    return absl::InvalidArgumentError(
        "nothing to learn from: give tasks or records");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TorchTrainer>> MakeTorchTrainer(
    const BaseModel& base, TrainSpec spec) {
  GIST_RETURN_IF_ERROR(CheckSpec(spec));
  GIST_ASSIGN_OR_RETURN(BaseWeights exact,
                        MakeBaseWeights(*base.transformer, base.chat.prefix()));
  const bool bfloat16 =
      spec.recipe.bfloat16_base &&
      HasFastBfloat16(base.transformer->weights().device().str());
  return Fence(
      "trainer", [&]() -> absl::StatusOr<std::unique_ptr<TorchTrainer>> {
        BaseWeights training = bfloat16 ? InBfloat16(exact) : exact;
        auto trainer = std::make_unique<TorchTrainerImpl>(
            base, std::move(spec), std::move(exact), std::move(training));
        GIST_RETURN_IF_ERROR(trainer->Start());
        return trainer;
      });
}

}  // namespace gist
