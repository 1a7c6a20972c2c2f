// The pieces of a Llama layer, on tensors. For this folder and core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "core/model/tensors.h"

namespace gist {

// RoPE at given positions: cos and sin, each [rows, head_dim / 2].
// Source: arXiv:2104.09864, in the Hugging Face layout (two halves).
struct Rotation {
  at::Tensor cos;
  at::Tensor sin;
};

// base^(-2i / head_dim) for i < head_dim / 2, on `device`.
at::Tensor RopeFrequencies(const ModelConfig& config, at::Device device);
// `positions`: int64 [rows].
Rotation RotationAt(const at::Tensor& positions, const at::Tensor& frequencies);
// Positions begin, begin + 1, ...
Rotation RotationFrom(int begin, int rows, const at::Tensor& frequencies);
// For tensors [..., rows, heads, head_dim]: [rows, 1, head_dim / 2].
Rotation ForRowsFirst(const Rotation& rotation);
// x: [..., rows, head_dim]; pairs (i, i + head_dim / 2) are turned.
at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation);

// [rows, heads * head_dim] -> [heads, rows, head_dim], a view.
at::Tensor SplitHeads(const at::Tensor& x, int heads);

// Additive [rows, tokens]: row r, one of the last `rows`, sees tokens up to its
// own.
at::Tensor CausalMask(int64_t rows, int64_t tokens, at::Device device);
// An additive mask [rows, tokens] as Attend wants it: [1, 1, group * rows,
// tokens], `group` query heads to a KV head. Laid out once for all layers.
at::Tensor GroupMask(const at::Tensor& mask, const ModelConfig& config);
// query [heads, rows, head_dim]; keys and values [kv_heads, tokens, head_dim];
// mask of GroupMask, or undefined: all may attend. Returns [rows, heads *
// head_dim].
at::Tensor Attend(const at::Tensor& query, const at::Tensor& keys,
                  const at::Tensor& values, const at::Tensor& mask);
// The same for a batch: query [batch, rows, heads, head_dim]; keys and values
// [batch, kv_heads, tokens, head_dim]; mask additive [batch or 1, 1, group *
// rows, tokens]. Returns [batch * rows, heads * head_dim].
at::Tensor AttendBatch(const at::Tensor& query, const at::Tensor& keys,
                       const at::Tensor& values, const at::Tensor& mask);

// x: [rows, hidden].
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   float epsilon);

// What a LoRA acts on: no row, all rows, or some of them.
struct LoraScope {
  LoraScope(const Adapter::Impl* lora = nullptr, at::Tensor only = {})
      : adapter(lora), rows(std::move(only)) {}
  const Adapter::Impl* adapter;  // null: none
  at::Tensor rows;               // int64; undefined: all
};

// x W^T, and the delta of the LoRA for that layer and projection.
at::Tensor Project(const at::Tensor& x, const Linear& weight,
                   const LoraScope& lora, int layer, Projection projection);
// x + MLP(x), SwiGLU.
at::Tensor Mlp(const at::Tensor& x, const LayerWeights& weights, float epsilon,
               const LoraScope& lora, int layer);

// Copies between plain floats and tensors.
at::Tensor FromFloats(const std::vector<float>& values, at::IntArrayRef shape,
                      at::Device device);
at::Tensor FromIds(const std::vector<int64_t>& ids, at::Device device);
void CopyTo(const at::Tensor& tensor, float* out);

}  // namespace gist
