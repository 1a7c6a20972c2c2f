#include "core/engine/fake_trainer.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "core/base/status.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::NotFoundError(fmt::format("{}: cannot read it", path));
  }
  return std::move(text).str();
}

class FakeTrainer final : public Trainer {
 public:
  FakeTrainer(TrainSpec spec, FakeTrainerOptions options)
      : spec_(std::move(spec)), options_(std::move(options)) {
    for (const TrainStage& stage : spec_.recipe.stages) steps_ += stage.steps;
  }

  absl::Status Resume() {
    std::error_code error;
    fs::create_directories(spec_.folder, error);
    const auto text = ReadText(CheckpointFile());
    if (!text.ok()) return absl::OkStatus();
    char* end = nullptr;
    step_ = int(std::strtol(text->c_str(), &end, 10));
    if (end != text->c_str() && *end == 0 && step_ <= steps_) {
      return absl::OkStatus();
    }
    return absl::DataLossError(fmt::format("checkpoint {}: {:?}, want a step",
                                           CheckpointFile(), *text));
  }

  absl::StatusOr<TrainEvent> Step() override {
    if (!prepared_) {
      prepared_ = true;
      return Event(TrainEvent::Kind::kPreparing);
    }
    if (evaluate_) return Evaluated();
    if (save_) {
      save_ = false;
      GIST_RETURN_IF_ERROR(Checkpoint());
      return Event(TrainEvent::Kind::kCheckpoint);
    }
    if (step_ >= steps_) return Done();
    return Optimize();
  }

  bool done() const override { return done_; }

  absl::Status Checkpoint() override {
    std::ofstream(CheckpointFile(), std::ios::binary) << step_;
    return absl::OkStatus();
  }

  absl::Status ExportAdapter(const std::string& folder) const override {
    GIST_RETURN_IF_ERROR(options_.export_error);
    fs::create_directories(folder);
    const nlohmann::ordered_json config = {
        {"fake", true},
        {"recipe", spec_.recipe.name},
        {"seed", spec_.recipe.seed},
        {"steps", step_},
        {"gist_tokens", spec_.recipe.layout.gist_tokens},
        {"accuracy", Accuracy()},
        {"gist", {{"base_model_sha256", options_.model_fingerprint}}}};
    std::ofstream(folder + "/adapter_config.json") << config.dump();
    return absl::OkStatus();
  }

  absl::StatusOr<double> Evaluate(const std::string& folder,
                                  const std::function<bool()>& go_on) override {
    if (!go_on()) return absl::CancelledError("evaluation was stopped");
    GIST_ASSIGN_OR_RETURN(const FakeAdapterFile file, ReadFakeAdapter(folder));
    return file.is_fake ? file.accuracy : options_.base_accuracy;
  }

 private:
  std::string CheckpointFile() const { return spec_.folder + "/checkpoint"; }

  double Accuracy() const {
    const auto found = options_.accuracy.find(spec_.recipe.name);
    return found == options_.accuracy.end() ? options_.other_accuracy
                                            : found->second;
  }

  // The stage that the last step belongs to.
  const TrainStage& Stage(int* steps_until_its_end) const {
    int end = 0;
    for (const TrainStage& stage : spec_.recipe.stages) {
      end += stage.steps;
      *steps_until_its_end = end - step_;
      if (step_ <= end) return stage;
    }
    return spec_.recipe.stages.back();
  }

  TrainEvent Event(TrainEvent::Kind kind) const {
    TrainEvent event;
    event.kind = kind;
    int left = 0;
    event.stage = Stage(&left).name;
    event.step = step_;
    event.steps = steps_;
    event.loss = 0.1 + 4 * std::exp(-4.0 * step_ / steps_) +
                 0.001 * double((spec_.recipe.seed * 31 + size_t(step_)) % 10);
    event.gradient_norm = 1.5;
    event.learning_rate = spec_.recipe.learning_rate;
    event.tokens_per_second = 1000;
    event.seconds_left = double(steps_ - step_) / 10;
    return event;
  }

  absl::StatusOr<TrainEvent> Optimize() {
    if (options_.step_delay.count() > 0) {
      std::this_thread::sleep_for(options_.step_delay);
    }
    if (options_.before_step) {
      GIST_RETURN_IF_ERROR(options_.before_step(spec_, step_ + 1));
    }
    ++step_;
    int left = 0;
    Stage(&left);
    evaluate_ = left == 0 || step_ % spec_.recipe.evaluate_every_steps == 0;
    save_ = left == 0 || step_ % spec_.recipe.checkpoint_every_steps == 0;
    return Event(TrainEvent::Kind::kStep);
  }

  absl::StatusOr<TrainEvent> Evaluated() {
    evaluate_ = false;
    int left = 0;
    const TrainStage& stage = Stage(&left);
    if (left == 0 && Accuracy() < stage.gate_accuracy) {
      return absl::FailedPreconditionError(
          fmt::format("stage {}: dev accuracy {:.2f} is below its gate of "
                      "{:.2f}; try more gists or more steps",
                      stage.name, Accuracy(), stage.gate_accuracy));
    }
    TrainEvent event = Event(TrainEvent::Kind::kEvaluated);
    event.dev_accuracy = Accuracy() * step_ / steps_;
    return event;
  }

  TrainEvent Done() {
    done_ = true;
    TrainEvent event = Event(TrainEvent::Kind::kDone);
    event.dev_accuracy = Accuracy();
    event.message = "all stages are done";
    return event;
  }

  const TrainSpec spec_;
  const FakeTrainerOptions options_;
  int step_ = 0;
  int steps_ = 0;
  bool prepared_ = false;
  bool evaluate_ = false;
  bool save_ = false;
  bool done_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> MakeFakeTrainer(
    TrainSpec spec, const FakeTrainerOptions& options) {
  GIST_RETURN_IF_ERROR(options.start_error);
  if (spec.tasks == nullptr && spec.records.empty()) {
    return absl::InvalidArgumentError("training: there is nothing to learn");
  }
  auto trainer = std::make_unique<FakeTrainer>(std::move(spec), options);
  GIST_RETURN_IF_ERROR(trainer->Resume());
  return trainer;
}

absl::StatusOr<FakeAdapterFile> ReadFakeAdapter(const std::string& folder) {
  FakeAdapterFile file;
  GIST_ASSIGN_OR_RETURN(file.text, ReadText(folder + "/adapter_config.json"));
  const auto json = nlohmann::json::parse(file.text, nullptr, false);
  if (!json.is_object()) {
    return absl::DataLossError(
        fmt::format("{}/adapter_config.json is no JSON object", folder));
  }
  file.is_fake = json.value("fake", false);
  if (file.is_fake) {
    file.accuracy = json.value("accuracy", 0.0);
    file.gist_tokens = json.value("gist_tokens", 0);
    if (json.contains("gist"))
      file.model_fingerprint = json["gist"].value("base_model_sha256", "");
  }
  return file;
}

}  // namespace gist
