// The base model of a training. It is constant and gets no gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/tensors.h"
#include "core/model/transformer.h"

namespace gist {

// Shares the Transformer's weights, or has bfloat16 copies of its matrices.
struct BaseWeights : DecoderWeights {
  // For each layer the shared prefix [prefix_tokens, kv_heads, head_dim], with
  // post-RoPE keys.
  std::vector<at::Tensor> prefix_keys = {};
  std::vector<at::Tensor> prefix_values = {};
  int prefix_tokens = 0;

  int group() const { return config.heads / config.kv_heads; }
};

// Prefills the shared prefix. The result shares the transformer's weights.
absl::StatusOr<BaseWeights> MakeBaseWeights(const Transformer& transformer,
                                            std::span<const int32_t> prefix);
// A copy with bfloat16 matrices. Products are about twice as fast on processors
// with AVX-512 BF16.
BaseWeights InBfloat16(BaseWeights model);

// Prefills segments, each right after the shared prefix. `ids` is a sequence of
// whole segments of `segment_tokens`. Returns [segments, layers, 2 (key,
// value), kv_heads, segment_tokens, head_dim] of `type`, half by default as
// blobs are. Keys are post-RoPE, at the positions after the prefix. Without
// gradients.
at::Tensor ReadSegments(const BaseWeights& model, std::span<const int32_t> ids,
                        int segment_tokens, at::ScalarType type = at::kHalf);

}  // namespace gist
