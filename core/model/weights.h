// Loads a model file's tensors. For this folder only.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/weight_storage.h"
#include "core/format/gguf.h"
#include "core/kernels/thread_team.h"
#include "core/model/tensors.h"

namespace gist {

// Puts the tensors on `device`, and stores matrices as `storage` says.
// kQuantized packs them on a CPU, with `team`, which outlives the weights; for
// a GPU it keeps `owner`, which holds the bytes of `file`'s tensors. Query
// and key rows are put into Hugging Face's order. kNotFound: a tensor is
// missing; kDataLoss: one has another shape, or a number that is infinite or
// NaN. Errors name the tensor.
absl::StatusOr<Weights> LoadWeights(const Gguf& file, const ModelConfig& config,
                                    const std::string& device,
                                    WeightStorage storage, ThreadTeam& team,
                                    std::shared_ptr<const void> owner);

}  // namespace gist
