// Differences between a model's layers: RoPE and the visible range.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/model/architectures/architecture.h"

namespace gist {

struct LayerKind {
  // Radians a position, for each turned pair of a head's dimensions; zeros: no
  // RoPE. Dimensions from twice its size on are not turned.
  std::vector<float> frequencies;
  float rope_scale = 1;  // of turned queries and keys
  // Tokens that a token sees, itself included; 0: all before it.
  int window = 0;

  friend bool operator==(const LayerKind&, const LayerKind&) = default;
};

struct LayerKinds {
  std::vector<LayerKind> kinds;  // each once
  std::vector<int> of_layer;     // the kind of each layer
};

// base^(-2i / dims) for i < dims / 2. Source: RoPE (arXiv:2104.09864).
std::vector<float> RopeFrequencies(double base, int dims);

struct LayerKindSizes {
  int layers = 0;
  int head_dim = 0;
  int context_tokens = 0;
};

// Reads RoPE's keys and tensors and those of the window.
//
// rope.scaling.type: none; linear (also without a type, if rope.scaling.factor
// or rope.scale_linear is there); yarn (arXiv:2309.00071).
// Without yarn_attn_factor, yarn scales queries and keys by 1 + ln(factor)/10.
// rope.scaling.attn_factor multiplies any of them. rope_freqs.weight divides
// frequencies one by one ("llama3"), as do the factors of LongRoPE
// (arXiv:2402.13753): the long ones if context_length exceeds
// rope.scaling.original_context_length, else the short ones. The choice holds
// for every text, however short: keys that are kept must fit each other.
// transformers chooses for each sequence, llama.cpp by the context it serves.
//
// kUnimplemented: another type, named; kDataLoss: a value out of range.
absl::StatusOr<LayerKinds> ReadLayerKinds(const Gguf& file,
                                          const Architecture& architecture,
                                          const LayerKindSizes& sizes);

}  // namespace gist
