// Trains an answer adapter: LoRA on question and answer, with one equal budget
// on full texts, passages, gists and gists with passages, so that they can be
// compared.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/embed/embedder.h"
#include "core/model/base_model.h"
#include "core/train/torch_trainer.h"

namespace gist {

// `spec`: records and dev_records; of the recipe's layout only the LoRA counts,
// of a stage only the steps. A step draws documents_per_step documents for each
// of the four, and one question about each. `gist_adapter`: folder of the
// adapter that writes the gists. All but `spec` outlive the trainer. Errors:
// MakeTorchTrainer's and Adapter::Load's.
absl::StatusOr<std::unique_ptr<TorchTrainer>> MakeAnswerTrainer(
    const BaseModel& base, Embedder& embedder, const std::string& gist_adapter,
    TrainSpec spec);

}  // namespace gist
