// RoPE, masks and attention, for the passes of this folder and core/train. The
// rest of a layer is in core/model/decoder.h.
#pragma once

#include <ATen/core/Tensor.h>

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
// The same for tensors [..., rows, heads, head_dim]: [rows, 1, head_dim / 2].
Rotation ForRowsFirst(const Rotation& rotation);
// x: [..., rows, head_dim]. Turns the pairs (i, i + head_dim / 2).
at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation);

// [rows, heads * head_dim] -> [heads, rows, head_dim], a view.
at::Tensor SplitHeads(const at::Tensor& x, int heads);

// Additive [rows, tokens]. The rows are the last tokens; each sees the tokens
// up to itself.
at::Tensor CausalMask(int64_t rows, int64_t tokens, at::Device device);
// Lays an additive mask [rows, tokens] out for Attend: [1, 1, group * rows,
// tokens], with `group` query heads for each KV head. One serves all layers.
at::Tensor GroupMask(const at::Tensor& mask, const ModelConfig& config);
// Scaled dot-product attention: query [heads, rows, head_dim]; keys and values
// [kv_heads, tokens, head_dim]; mask from GroupMask, or undefined for full
// attention. Returns [rows, heads * head_dim]. O(heads * rows * tokens *
// head_dim). Source: arXiv:1706.03762, with shared KV heads of
// arXiv:2305.13245.
at::Tensor Attend(const at::Tensor& query, const at::Tensor& keys,
                  const at::Tensor& values, const at::Tensor& mask);
// The same for a batch: query [batch, rows, heads, head_dim]; keys and values
// [batch, kv_heads, tokens, head_dim]; mask additive [batch or 1, 1, group *
// rows, tokens]. Returns [batch * rows, heads * head_dim].
at::Tensor AttendBatch(const at::Tensor& query, const at::Tensor& keys,
                       const at::Tensor& values, const at::Tensor& mask);

// Copies between plain floats and tensors.
at::Tensor FromFloats(const std::vector<float>& values, at::IntArrayRef shape,
                      at::Device device);
at::Tensor FromIds(const std::vector<int64_t>& ids, at::Device device);
void CopyTo(const at::Tensor& tensor, float* out);

}  // namespace gist
