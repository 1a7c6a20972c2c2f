// The real trainer: gists of a frozen model, by LibTorch.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/base_model.h"
#include "core/train/trainer.h"

namespace gist {

class TorchTrainer : public Trainer {
 public:
  // ExportAdapter in float32, to go on from: twice the size.
  virtual absl::Status ExportFloat32(const std::string& folder) const = 0;
  // Is all done that the last step asked for: its checkpoint, its evaluation?
  virtual bool between_steps() const = 0;
};

// Goes on from the checkpoint in spec.folder if there is one; with an empty
// folder there are no checkpoints. `base` outlives the trainer and is not
// changed. Errors: kInvalidArgument (CheckRecipe's, nothing to learn from, a
// record that is too long), LoadCheckpoint's, ImportAdapterFolder's.
absl::StatusOr<std::unique_ptr<TorchTrainer>> MakeTorchTrainer(
    const BaseModel& base, TrainSpec spec);

}  // namespace gist
