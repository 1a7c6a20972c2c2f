// Takes one training from its start, or its checkpoint, to its end.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/engine/engine.h"
#include "server/telemetry/metrics.h"
#include "server/training/adapter_registry.h"
#include "server/training/adapter_store.h"
#include "server/training/train_job.h"
#include "server/training/train_plan.h"

namespace gist {

// What trainings work with; all outlive them.
struct TrainParts {
  Engine& engine;
  const TrainPlanner& planner;
  AdapterStore& adapters;
  AdapterRegistry& promoter;
  Metrics& metrics;
};

// Used by one thread.
class TrainRunner {
 public:
  // `stopping`: the server wants to end; asked between steps. `save` keeps the
  // job's record as it is.
  TrainRunner(const TrainParts& parts, std::function<bool()> stopping,
              std::function<void(const TrainJob&)> save)
      : parts_(parts), stopping_(std::move(stopping)), save_(std::move(save)) {}

  // Works in `folder`, which holds a folder for each recipe that was tried.
  // Leaves the job over, or interrupted with a checkpoint.
  void Run(TrainJob& job, const std::string& folder);

 private:
  // How a job ends; `finish` fills in what came of it.
  struct Outcome {
    TrainState state = TrainState::kFailed;
    std::string message;
    std::function<void(Training&)> finish;
  };

  Outcome Train(TrainJob& job, const std::string& folder);
  absl::StatusOr<TrainSpec> Plan(const TrainJob& job,
                                 const std::string& folder) const;
  // OK: done. kCancelled: a caller or the server wants it to end, which leaves
  // a checkpoint.
  absl::Status StepUntilDone(Trainer& trainer, TrainJob& job);
  bool GoesOn(const TrainJob& job) const {
    return !job.cancel_requested() && !stopping_();
  }
  Outcome Finish(Trainer& trainer, TrainJob& job);
  absl::StatusOr<AdapterVersion> Keep(Trainer& trainer,
                                      const Training& training);
  // Compares with the adapter in use, and promotes where that was asked for;
  // what it found goes into `training`.
  absl::Status Judge(Trainer& trainer, const TrainJob& job,
                     const AdapterVersion& version, Training& training);
  Outcome OutcomeOf(const absl::Status& status, const TrainJob& job) const;

  const TrainParts parts_;
  const std::function<bool()> stopping_;
  const std::function<void(const TrainJob&)> save_;
};

}  // namespace gist
