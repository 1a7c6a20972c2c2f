// Sizes and constants of a decoder model.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/model/architecture.h"

namespace gist {

struct ModelConfig {
  Architecture architecture;
  std::string name;
  int layers = 0;
  int hidden_size = 0;
  int heads = 0;
  int kv_heads = 0;  // divides heads (grouped-query attention)
  int head_dim = 0;  // even
  int mlp_size = 0;
  int vocab_size = 0;
  int max_context_tokens = 0;
  float rope_base = 10000.0f;
  float rms_norm_epsilon = 1e-5f;

  // Reads the keys of the architecture that the file names. kUnimplemented: an
  // architecture without a row in the table, or an unsupported feature (RoPE
  // scaling), named; kDataLoss: sizes are missing or contradict each other.
  static absl::StatusOr<ModelConfig> FromGguf(const Gguf& file);
  // Reads the keys of `architecture`, whichever the file names.
  static absl::StatusOr<ModelConfig> FromGguf(const Gguf& file,
                                              const Architecture& architecture);
};

}  // namespace gist
