// The supported decoder architectures: one table, one row each.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// Order of the query and key rows of a head in a GGUF file.
enum class RopeOrder {
  kInterleaved,  // RoPE turns rows 2i and 2i + 1; the loader reorders them
  kHalves,       // RoPE turns rows i and i + head_dim / 2, as core/model does
};
enum class Norm {
  kRms,  // RMSNorm, arXiv:1910.07467
};
// Of the gated MLP: down(activation(gate(x)) * up(x)).
enum class Activation {
  kSilu,  // SwiGLU, arXiv:2002.05202
};

// Differences between Llama-like models. core/model/decoder.cc computes the
// layer that it describes.
struct Architecture {
  // general.architecture in GGUF, and model_type in Hugging Face's config.json.
  std::string_view name;
  std::string_view
      key_prefix;  // of GGUF metadata: "llama" in llama.block_count
  RopeOrder rope_order = RopeOrder::kHalves;
  bool attention_biases = false;  // of the query, key and value projections
  bool qk_norms = false;          // of each query and key head, before RoPE
  Norm norm = Norm::kRms;
  Activation activation = Activation::kSilu;
};

std::span<const Architecture> Architectures();

// The row of this name. kUnimplemented: there is none; the error lists the
// names of the table.
absl::StatusOr<Architecture> FindArchitecture(std::string_view name);

}  // namespace gist
