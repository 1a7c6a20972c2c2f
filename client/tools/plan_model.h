// A model as the memory ledger sees it: sizes alone, nothing is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/model/architectures/model_config.h"

namespace gist {

// Bytes throughout.
struct PlanModel {
  ModelConfig config;
  bool tied_output = false;  // the embedding is the output matrix too
  std::string stored_type;   // of most of the bytes: "Q4_0"
  int64_t stored_bytes = 0;  // of all tensors, as in the file
  int64_t mapped_bytes = 0;  // of the files while they are read
  int64_t packed_bytes = 0;  // of all tensors, quantized on a CPU

  // Errors are ModelConfig::FromGguf's.
  static absl::StatusOr<PlanModel> FromGguf(const Gguf& file,
                                            int64_t file_bytes);
  // `json`: config.json of a Hugging Face folder without weights, which are
  // planned as if converted to Q4_0 (4.5 bits). Errors are ReadHfConfig's and
  // ModelConfig::FromGguf's.
  static absl::StatusOr<PlanModel> FromHuggingFace(std::string_view json);

  int64_t Parameters() const;
};

// Of a tensor of these dims: matrices as PackedMatrix (core/kernels) holds
// them, all else in float32.
int64_t PackedBytes(GgmlType type, const std::vector<int64_t>& dims);

}  // namespace gist
