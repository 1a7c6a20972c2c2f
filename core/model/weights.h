// A model file's tensors, ready for use. Torch types: for this folder only.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/weight_storage.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model/tensors.h"

namespace gist {

// Puts the tensors on `device`, matrices as `storage` says; for kQuantized
// `mapped` is the file that `file` was parsed from. GGUF keeps the rows of
// query and key for interleaved RoPE; they are put back into the Hugging Face
// order (halves). kNotFound, kDataLoss: a tensor is missing or has another
// shape; both named.
absl::StatusOr<Weights> LoadWeights(const Gguf& file, const ModelConfig& config,
                                    const std::string& device,
                                    WeightStorage storage,
                                    std::shared_ptr<const MappedFile> mapped);

}  // namespace gist
