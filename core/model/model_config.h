// Sizes and constants of a Llama-architecture model.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"

namespace gist {

struct ModelConfig {
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

  // Reads GGUF's llama.* keys. kUnimplemented: another architecture or a
  // feature that is not supported (RoPE scaling), named with what is;
  // kDataLoss: sizes that are missing or contradict each other.
  static absl::StatusOr<ModelConfig> FromGguf(const Gguf& file);
};

}  // namespace gist
