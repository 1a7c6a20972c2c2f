// The base model as training sees it: it never gets a gradient of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/tensors.h"
#include "core/model/transformer.h"

namespace gist {

struct BaseWeights {
  ModelConfig config;
  Weights weights;         // shared with the Transformer, or bfloat16 matrices
  at::Tensor frequencies;  // of RoPE
  // For each layer the shared prefix [prefix_tokens, kv_heads, head_dim], keys
  // rotated.
  std::vector<at::Tensor> prefix_keys;
  std::vector<at::Tensor> prefix_values;
  int prefix_tokens = 0;

  int group() const { return config.heads / config.kv_heads; }
};

// Reads the shared prefix. Shares the transformer's weights.
absl::StatusOr<BaseWeights> MakeFrozenModel(const Transformer& transformer,
                                            std::span<const int32_t> prefix);
// The same with matrices copied to half the size: products are about twice as
// fast where the processor has AVX-512 BF16.
BaseWeights InBfloat16(BaseWeights model);

// The context KV of segments that are each read right after the shared prefix:
// `ids` has whole segments of `segment_tokens` one after another. Returns
// [segments, layers, 2 (key, value), kv_heads, segment_tokens, head_dim], keys
// rotated to the positions after the prefix; half, as blobs are, unless `type`
// says otherwise.
at::Tensor ReadSegments(const BaseWeights& model, std::span<const int32_t> ids,
                        int segment_tokens, at::ScalarType type = at::kHalf);

}  // namespace gist
