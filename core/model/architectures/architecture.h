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
  kGelu,  // GEGLU, ibid., with the tanh form of GELU (arXiv:1606.08415)
};
// Tensors of divisors of RoPE's frequencies.
enum class RopeFactors {
  kNone,
  kFreqs,         // rope_freqs.weight, if the file has it
  kLongAndShort,  // rope_factors_long.weight and rope_factors_short.weight
};

// Differences between Llama-like models. core/model/decoder.cc computes the
// layer. core/model/architectures/layer_kind.cc reads RoPE and window.
struct Architecture {
  // general.architecture in GGUF.
  std::string_view name;
  // Of GGUF metadata: "llama" in llama.block_count.
  std::string_view key_prefix;
  // The file's gist.rope_order, "interleaved" or "halves", comes first.
  RopeOrder rope_order = RopeOrder::kHalves;
  bool attention_biases = false;  // of the query, key and value projections
  bool qk_norms = false;          // of each query and key head, before RoPE
  bool post_norms = false;  // of attention's and MLP's results, before the sum
  // One tensor for query, key and value (attn_qkv), one for gate and up
  // (ffn_up), in these orders.
  bool fused_tensors = false;
  bool scaled_embeddings = false;  // by sqrt(hidden size)
  // A model of so many layers scales queries by 1 / sqrt(hidden size / heads)
  // instead of 1 / sqrt(head size). 0: none does.
  int wide_query_layers = 0;
  // With a sliding window: layers N, 2 N, ... (from 1) have none; 0: all have
  // it. The file's attention.sliding_window_pattern comes first.
  int window_period = 0;
  // RoPE base of layers with a window, without the others' scaling; 0: RoPE is
  // the same for all. The file's rope.freq_base_swa comes first.
  double local_rope_base = 0;
  int no_rope_period = 0;  // layers N, 2 N, ... have no RoPE; 0: all have it
  RopeFactors rope_factors = RopeFactors::kNone;
  Norm norm = Norm::kRms;
  Activation activation = Activation::kSilu;
};

std::span<const Architecture> Architectures();

// The row of this name. kUnimplemented: there is none; the error lists the
// names of the table.
absl::StatusOr<Architecture> FindArchitecture(std::string_view name);

}  // namespace gist
