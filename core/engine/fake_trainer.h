// A trainer without a model, for tests and for builds without LibTorch.
//
// Losses fall by a formula of seed and step alone. What it "trains" is a folder
// whose adapter_config.json says which accuracy the adapter has; FakeEngine
// uses such folders. Its checkpoint is the number of steps done.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/train/trainer.h"

namespace gist {

struct FakeTrainerOptions {
  std::chrono::microseconds step_delay{0};
  // Dev accuracy that a recipe (by name) ends with.
  std::map<std::string, double> accuracy;
  double other_accuracy = 0.75;  // of recipes that `accuracy` does not name
  double base_accuracy = 0.5;    // of adapters that no fake trainer made
  // Runs on the trainer's thread before each optimizer step; an error becomes
  // the result of Step.
  std::function<absl::Status(const TrainSpec& spec, int step)> before_step;
  std::string model_fingerprint;  // that the adapter is for
  absl::Status start_error;       // of the start
  absl::Status export_error;      // of ExportAdapter
};

// kDataLoss: the checkpoint in spec.folder is no number.
absl::StatusOr<std::unique_ptr<Trainer>> MakeFakeTrainer(
    TrainSpec spec, const FakeTrainerOptions& options);

// What a fake trainer's folder says of its adapter.
struct FakeAdapterFile {
  bool is_fake = false;  // else it is a real adapter's
  std::string text;
  std::string model_fingerprint;  // that it is for; empty: not said
  double accuracy = 0;
  int gist_tokens = 0;
};
// kNotFound, kDataLoss (no JSON).
absl::StatusOr<FakeAdapterFile> ReadFakeAdapter(const std::string& folder);

}  // namespace gist
