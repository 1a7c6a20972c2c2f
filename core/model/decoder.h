// The decoder layer. No other file knows the order of its parts.
//
// A pass over the model brings its attention alone: RoPE, mask, caches and
// segments. It either calls RunLayers or writes the loop itself:
//   x = Embed(model, ids);
//   for (int layer = 0; layer < model.config.layers; ++layer) {
//     const Qkv qkv = LayerInput(x, model, layer, lora);
//     x = LayerOutput(x, Attention(qkv), model, layer, lora);
//   }
//   logits = OutputLogits(x, model);
// Rows are tokens of one or many sequences; only attention mixes rows. All
// functions carry gradients to activations and LoRA. For this folder and
// core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "absl/functional/function_ref.h"
#include "core/model/tensors.h"

namespace gist {

// A LoRA and the rows that it changes.
struct LoraScope {
  LoraScope(const Adapter::Impl* lora = nullptr, at::Tensor only = {})
      : adapter(lora), rows(std::move(only)) {}
  const Adapter::Impl* adapter;  // null: no LoRA
  at::Tensor rows;               // int64 indices; undefined: all rows
};

// Projections of each row, with biases, query and key norms and query_scale
// applied, before RoPE.
struct Qkv {
  at::Tensor query;  // [rows, heads * head_dim]; undefined: see LayerKeyValue
  at::Tensor key;    // [rows, kv_heads * head_dim]
  at::Tensor value;  // [rows, kv_heads * head_dim]
};

// Rows of the token embedding, scaled as the model wants: `ids` int64 [rows].
// Returns float32 [rows, hidden], without gradient.
at::Tensor Embed(const DecoderWeights& model, const at::Tensor& ids);

// The layer up to its attention: norm and projections. x: [rows, hidden].
Qkv LayerInput(const at::Tensor& x, const DecoderWeights& model, int layer,
               const LoraScope& lora);

// LayerInput without the query, for a last layer with unused output.
Qkv LayerKeyValue(const at::Tensor& x, const DecoderWeights& model, int layer,
                  const LoraScope& lora);

// The layer from its attention on: output projection, residual and MLP.
// attended: [rows, heads * head_dim]. Returns [rows, hidden].
at::Tensor LayerOutput(const at::Tensor& x, const at::Tensor& attended,
                       const DecoderWeights& model, int layer,
                       const LoraScope& lora);

// Rows of the last layer's output that a pass uses.
struct OutputRows {
  static OutputRows All() { return {}; }
  // The last layer stops after its keys and values.
  static OutputRows None() { return {.none = true, .only = {}}; }
  // `rows`: int64 indices. Wants a LoraScope of all rows.
  static OutputRows Only(at::Tensor rows) {
    return {.none = false, .only = std::move(rows)};
  }
  bool none = false;
  at::Tensor only;  // undefined: all
};

// A pass's attention at one layer. Returns [rows, heads * head_dim]. Its result
// is ignored where the query is undefined.
using AttentionFunction =
    absl::FunctionRef<at::Tensor(int layer, const Qkv& qkv)>;

// All layers over x: [rows, hidden]. Returns the `output` rows, [output rows,
// hidden]; undefined for OutputRows::None.
at::Tensor RunLayers(at::Tensor x, const DecoderWeights& model,
                     const LoraScope& lora, const OutputRows& output,
                     AttentionFunction attention);

// The final norm and the vocabulary product: [rows, vocab].
at::Tensor OutputLogits(const at::Tensor& x, const DecoderWeights& model);

}  // namespace gist
