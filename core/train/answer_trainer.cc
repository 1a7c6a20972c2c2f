#include "core/train/answer_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/base/clock.h"
#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/train/adapter_files.h"
#include "core/train/answer_set.h"
#include "core/train/checkpoint.h"
#include "core/train/optimizer.h"
#include "core/train/recipe.h"
#include "core/train/train_sample.h"

namespace gist {
namespace {

using at::Tensor;

constexpr uint64_t kQuestionStream = 5;  // and one for each of the four

// What stands before each of some questions, of AnswerSet, as what
// ReadAnswers takes.
WrittenGists Together(const ModelConfig& config, std::span<const Tensor> kvs) {
  WrittenGists all;
  all.rotated = true;
  const auto rows = [&](int layer, int which) {
    std::vector<Tensor> parts;
    for (const Tensor& kv : kvs)
      parts.push_back(kv[layer][which].transpose(0, 1).flatten(1));
    return at::cat(parts).to(at::kFloat);
  };
  for (int layer = 0; layer < config.layers; ++layer) {
    all.keys.push_back(rows(layer, 0));
    all.values.push_back(rows(layer, 1));
  }
  return all;
}

// A share of dev questions whose whole answer, the end of turn too, is what is
// most likely token by token: that is what greedy generation gives.
struct Right {
  int right = 0, asked = 0;
};

class AnswerTrainer final : public TorchTrainer {
 public:
  AnswerTrainer(const BaseModel& base, TrainSpec spec, BaseWeights model,
                std::unique_ptr<Adapter> adapter);
  absl::Status Start(Embedder& embedder);
  absl::StatusOr<TrainEvent> Step() override;
  bool done() const override { return done_; }
  bool between_steps() const override {
    return !evaluating_ && !checkpoint_due_;
  }
  absl::Status Checkpoint() override;
  absl::Status ExportAdapter(const std::string& folder) const override {
    return Export(folder, /*float32=*/false);
  }
  absl::Status ExportFloat32(const std::string& folder) const override {
    return Export(folder, /*float32=*/true);
  }
  absl::StatusOr<double> Evaluate(const std::string& folder,
                                  const std::function<bool()>& go_on) override;

 private:
  struct Draw {
    size_t document = 0, question = 0;
    Before before = Before::kText;
  };
  const TrainRecipe& recipe() const { return spec_.recipe; }
  bool IsDue(int every) const {  // after the step that was just done
    return step_ == recipe().steps() || (every > 0 && step_ % every == 0);
  }
  std::vector<Draw> DrawsOf(int step) const;
  absl::StatusOr<AnswerRows> Ask(AnswerSet& set, std::span<const Draw> draws,
                                 const Adapter::Impl* lora) const;
  absl::StatusOr<TrainEvent> Next();
  absl::StatusOr<TrainEvent> Train();
  absl::StatusOr<TrainEvent> EvaluateOne();
  absl::Status Score(size_t document, const Adapter::Impl* lora,
                     std::map<std::string, Right>* scores) const;
  TrainEvent Event(TrainEvent::Kind kind) const;
  absl::Status Export(const std::string& folder, bool float32) const;
  std::string CheckpointPath() const {
    return spec_.folder + "/checkpoint.safetensors";
  }

  const BaseModel& base_;
  const TrainSpec spec_;
  const BaseWeights model_;
  const std::unique_ptr<Adapter> adapter_;
  const std::string recipe_hash_;
  AdapterParameters parameters_;
  std::unique_ptr<AnswerSet> set_, dev_;

  int step_ = 0;
  double smooth_loss_ = 0, smooth_seconds_ = 0, accuracy_ = 0;
  bool evaluating_ = false;
  size_t dev_position_ = 0;
  std::map<std::string, Right> scores_;
  bool checkpoint_due_ = false, done_ = false;
};

std::string HashOf(const TrainSpec& spec, const std::string& model,
                   const std::string& adapter) {
  // "reader" stays: checkpoints of earlier versions go on.
  std::string all = "reader " + ToYaml(spec.recipe) + model + adapter;
  for (const Record& record : spec.records) {
    all += Sha256Hex(record.context) + Sha256Hex(record.question) +
           Sha256Hex(record.answer);
  }
  return Sha256Hex(all);
}

// LoRA alone, without embeddings.
TrainSpec WithoutGists(TrainSpec spec) {
  spec.recipe.layout.gists_per_block = 0;
  return spec;
}

AnswerTrainer::AnswerTrainer(const BaseModel& base, TrainSpec spec,
                             BaseWeights model,
                             std::unique_ptr<Adapter> adapter)
    : base_(base),
      spec_(WithoutGists(std::move(spec))),
      model_(std::move(model)),
      adapter_(std::move(adapter)),
      recipe_hash_(HashOf(spec_, base.fingerprint, adapter_->fingerprint())),
      parameters_(
          InitialParameters(model_.config, spec_.recipe, model_.device())) {}

absl::Status AnswerTrainer::Start(Embedder& embedder) {
  if (!spec_.start_adapter.empty()) {
    GIST_RETURN_IF_ERROR(ImportAnswerAdapterFolder(
        spec_.start_adapter, model_.config, base_.fingerprint, &parameters_));
  }
  const auto make = [&](std::vector<Record> records) {
    AnswerSetOptions options;
    options.gist_counts = recipe().gist_counts;
    if (options.gist_counts.empty())
      options.gist_counts = {adapter_->config().gist_tokens};
    return AnswerSet::Create(base_, model_, *adapter_, embedder,
                             std::move(options), std::move(records));
  };
  GIST_ASSIGN_OR_RETURN(set_, make(spec_.records));
  if (!spec_.dev_records.empty()) {
    GIST_ASSIGN_OR_RETURN(dev_, make(spec_.dev_records));
    evaluating_ = recipe().evaluate_every_steps > 0;  // as it is without LoRA
  }
  std::error_code error;
  std::filesystem::create_directories(spec_.folder, error);
  if (!std::filesystem::exists(CheckpointPath(), error))
    return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(
      const TrainProgress progress,
      LoadCheckpoint(CheckpointPath(), recipe_hash_, &parameters_));
  step_ = progress.step;
  smooth_loss_ = progress.smooth_loss;
  evaluating_ = dev_ != nullptr && IsDue(recipe().evaluate_every_steps);
  return absl::OkStatus();
}

TrainEvent AnswerTrainer::Event(TrainEvent::Kind kind) const {
  TrainEvent event;
  event.kind = kind;
  event.stage = recipe().stages.front().name;
  event.step = step_;
  event.steps = recipe().steps();
  event.seconds_left = smooth_seconds_ * (recipe().steps() - step_);
  return event;
}

absl::StatusOr<TrainEvent> AnswerTrainer::Step() {
  return Fence("training", [&] { return Next(); });
}

absl::StatusOr<TrainEvent> AnswerTrainer::Next() {
  if (evaluating_) return EvaluateOne();
  if (checkpoint_due_) {
    checkpoint_due_ = false;
    GIST_RETURN_IF_ERROR(Checkpoint());
    return Event(TrainEvent::Kind::kCheckpoint);
  }
  if (step_ < recipe().steps()) return Train();
  done_ = true;
  TrainEvent event = Event(TrainEvent::Kind::kDone);
  event.message =
      fmt::format("{} steps done, running loss {:.3f}", step_, smooth_loss_);
  if (dev_) event.dev_accuracy = accuracy_;
  return event;
}

// The same number for each of the four, one after the other: documents in an
// order of its own for each epoch, one question about each.
std::vector<AnswerTrainer::Draw> AnswerTrainer::DrawsOf(int step) const {
  std::vector<Draw> draws;
  for (size_t kind = 0; kind < kAllBefore.size(); ++kind) {
    RecordOrder order(recipe().seed + kind, set_->documents());
    for (int i = 0; i < recipe().documents_per_step; ++i) {
      const uint64_t draw =
          uint64_t(step) * uint64_t(recipe().documents_per_step) + uint64_t(i);
      const size_t document = order.At(draw);
      Rng rng = DerivedRng(recipe().seed, kQuestionStream + kind, draw);
      draws.push_back(
          {document, rng.Below(set_->questions(document)), kAllBefore[kind]});
    }
  }
  return draws;
}

absl::StatusOr<AnswerRows> AnswerTrainer::Ask(AnswerSet& set,
                                              std::span<const Draw> draws,
                                              const Adapter::Impl* lora) const {
  std::vector<Tensor> kvs;
  std::vector<TrainQuestion> questions;
  int64_t row = 0;
  for (const Draw& draw : draws) {
    GIST_ASSIGN_OR_RETURN(kvs.emplace_back(),
                          set.Kv(draw.document, draw.question, draw.before));
    questions.push_back(set.question(draw.document, draw.question));
    questions.back().first_gist_row = row;
    questions.back().gist_tokens = int(kvs.back().size(3));
    row += questions.back().gist_tokens;
  }
  return ReadAnswers(model_, Together(model_.config, kvs), questions, lora);
}

absl::StatusOr<TrainEvent> AnswerTrainer::Train() {
  const Clock::time_point start = Clock::now();
  const std::vector<Draw> draws = DrawsOf(step_);
  const size_t of_a_kind = draws.size() / kAllBefore.size();
  parameters_.gradients.zero_();
  double loss = 0;
  for (size_t begin = 0; begin < draws.size(); begin += of_a_kind) {
    GIST_ASSIGN_OR_RETURN(const AnswerRows rows,
                          Ask(*set_, std::span(draws).subspan(begin, of_a_kind),
                              &parameters_.adapter()));
    const Tensor part = AnswerLoss(rows, /*over_questions=*/true) *
                        (1.0 / double(kAllBefore.size()));
    const double value = part.item<double>();
    if (!std::isfinite(value)) {
      return absl::InternalError(
          fmt::format("the loss of step {} is {}: lower learning_rate and go "
                      "on from the last checkpoint",
                      step_ + 1, value));
    }
    part.backward();
    loss += value;
  }
  const double norm = ClipGradients(parameters_, recipe().clip_norm);
  const double factor = LearningRateFactor(recipe(), step_, recipe().steps());
  AdamWStep(parameters_, recipe(), step_ + 1, factor);
  smooth_loss_ = step_ == 0 ? loss : SmoothLoss(smooth_loss_, loss);
  ++step_;
  checkpoint_due_ =
      !spec_.folder.empty() && IsDue(recipe().checkpoint_every_steps);
  evaluating_ = dev_ != nullptr && IsDue(recipe().evaluate_every_steps);
  const double seconds = SecondsSince(start);
  smooth_seconds_ =
      smooth_seconds_ == 0 ? seconds : 0.9 * smooth_seconds_ + 0.1 * seconds;
  TrainEvent event = Event(TrainEvent::Kind::kStep);
  event.loss = loss;
  event.gradient_norm = norm;
  event.learning_rate = recipe().learning_rate * factor;
  return event;
}

absl::Status AnswerTrainer::Score(size_t document, const Adapter::Impl* lora,
                                  std::map<std::string, Right>* scores) const {
  const at::NoGradGuard no_grad;
  for (const Before before : kAllBefore) {
    for (size_t i = 0; i < dev_->questions(document); ++i) {
      const Draw draw = {document, i, before};
      GIST_ASSIGN_OR_RETURN(const AnswerRows rows,
                            Ask(*dev_, {&draw, 1}, lora));
      Right& score = (*scores)[fmt::format("{} {}", Name(before),
                                           dev_->language(document))];
      ++score.asked;
      score.right += rows.logits.argmax(-1).equal(rows.targets);
    }
  }
  return absl::OkStatus();
}

double Share(const std::map<std::string, Right>& scores) {
  Right all;
  for (const auto& [name, score] : scores) {
    all.right += score.right;
    all.asked += score.asked;
  }
  return double(all.right) / std::max(1, all.asked);
}

absl::StatusOr<TrainEvent> AnswerTrainer::EvaluateOne() {
  GIST_RETURN_IF_ERROR(Score(dev_position_, &parameters_.adapter(), &scores_));
  if (++dev_position_ < dev_->documents()) {
    TrainEvent event = Event(TrainEvent::Kind::kPreparing);
    event.message = fmt::format("scored {} of {} dev documents", dev_position_,
                                dev_->documents());
    return event;
  }
  TrainEvent event = Event(TrainEvent::Kind::kEvaluated);
  for (const auto& [name, score] : scores_) {
    event.message +=
        fmt::format("{}{} {}/{}", event.message.empty() ? "" : ", ", name,
                    score.right, score.asked);
  }
  accuracy_ = Share(scores_);
  event.dev_accuracy = accuracy_;
  evaluating_ = false;
  dev_position_ = 0;
  scores_.clear();
  return event;
}

absl::StatusOr<double> AnswerTrainer::Evaluate(
    const std::string& folder, const std::function<bool()>& go_on) {
  if (!dev_) {
    return absl::FailedPreconditionError("the training has no dev samples");
  }
  GIST_ASSIGN_OR_RETURN(
      const auto answer_adapter,
      AnswerAdapter::Load(folder, model_.config, base_.fingerprint,
                          model_.device().str()));
  std::map<std::string, Right> scores;
  for (size_t i = 0; i < dev_->documents(); ++i) {
    if (!go_on()) return absl::CancelledError("the evaluation was stopped");
    GIST_RETURN_IF_ERROR(Score(i, &answer_adapter->impl(), &scores));
  }
  return Share(scores);
}

absl::Status AnswerTrainer::Checkpoint() {
  return SaveCheckpoint(CheckpointPath(), parameters_,
                        {step_, recipe_hash_, smooth_loss_});
}

absl::Status AnswerTrainer::Export(const std::string& folder,
                                   bool float32) const {
  return ExportAdapterFolder(folder, parameters_, recipe().layout,
                             {.model_name = model_.config.name,
                              .model_fingerprint = base_.fingerprint,
                              .recipe_name = recipe().name,
                              .steps = step_,
                              .float32 = float32});
}

}  // namespace

absl::StatusOr<std::unique_ptr<TorchTrainer>> MakeAnswerTrainer(
    const BaseModel& base, Embedder& embedder, const std::string& gist_adapter,
    TrainSpec spec) {
  GIST_RETURN_IF_ERROR(CheckRecipe(spec.recipe));
  if (spec.records.empty()) {
    return absl::InvalidArgumentError(
        "nothing to learn from: give --records, of gist data niah");
  }
  GIST_ASSIGN_OR_RETURN(BaseWeights model,
                        MakeBaseWeights(*base.transformer, base.chat.prefix()));
  GIST_ASSIGN_OR_RETURN(
      auto adapter, Adapter::Load(gist_adapter, model.config, base.fingerprint,
                                  model.device().str()));
  auto trainer = std::make_unique<AnswerTrainer>(
      base, std::move(spec), std::move(model), std::move(adapter));
  GIST_RETURN_IF_ERROR(trainer->Start(embedder));
  return trainer;
}

}  // namespace gist
