// RoPE, masks and attention, for the passes of this folder and core/train. The
// rest of a layer is in core/model/decoder.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/functional/function_ref.h"
#include "core/model/tensors.h"

namespace gist {

// RoPE at given positions: cos and sin, each [rows, pairs], both times
// LayerKind::rope_scale. Source: arXiv:2104.09864, in the Hugging Face layout
// (two halves).
struct Rotation {
  at::Tensor cos;
  at::Tensor sin;
};
// One for each kind of layer: index it with DecoderWeights::KindOf(layer).
using Rotations = std::vector<Rotation>;

// DecoderWeights::frequencies of `config`.
std::vector<at::Tensor> FrequenciesOf(const ModelConfig& config,
                                      at::Device device);
// `positions`: int64 [rows].
Rotations RotationsAt(const at::Tensor& positions, const DecoderWeights& model);
// Positions begin, begin + 1, ...
Rotations RotationsFrom(int begin, int rows, const DecoderWeights& model);
// The same for tensors [..., rows, heads, head_dim]: [rows, 1, pairs].
Rotations ForRowsFirst(Rotations rotations);
// x: [..., rows, head_dim]. Turns the pairs (i, i + pairs) and leaves the
// dimensions behind them.
at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation);

// [rows, heads * head_dim] -> [heads, rows, head_dim], a view.
at::Tensor SplitHeads(const at::Tensor& x, int heads);

// One for each kind of layer. Kinds with one window share it.
using Masks = std::vector<at::Tensor>;

// `make`: from LayerKind::window to its mask.
Masks MasksOf(const ModelConfig& config,
              absl::FunctionRef<at::Tensor(int window)> make);
// May a token at position `query` attend to one before it, at `key`?
inline bool IsInWindow(int64_t query, int64_t key, int window) {
  return window == 0 || query - key < window;
}
// Additive [rows, tokens]. The rows are the last tokens; each sees the tokens
// up to itself, the last `window` of them (0: all).
at::Tensor CausalMask(int64_t rows, int64_t tokens, int window,
                      at::Device device);
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
