#include "core/model/decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/silu.h>

namespace gist {
namespace {

using at::Tensor;

// Over the last dimension of x.
Tensor Normalize(const Tensor& x, const Tensor& weight,
                 const ModelConfig& config) {
  switch (config.architecture.norm) {
    case Norm::kRms:
      return at::rms_norm(x, {x.size(-1)}, weight, config.rms_norm_epsilon);
  }
  __builtin_unreachable();
}

Tensor Activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x, "tanh");
  }
  __builtin_unreachable();
}

// x W^T plus bias, plus scale * x A^T B^T at the LoRA's rows. Source: LoRA
// (arXiv:2106.09685).
Tensor Project(const Tensor& x, const Linear& weight, const LoraScope& lora,
               int layer, Projection projection) {
  const Tensor y = Product(x, weight);
  if (lora.adapter == nullptr) return y;
  const LoraPair& pair = lora.adapter->layers[size_t(layer)][projection];
  if (!pair.a.defined()) return y;
  const bool all = !lora.rows.defined();
  const Tensor delta =
      at::linear(at::linear(all ? x : x.index_select(0, lora.rows), pair.a),
                 pair.b) *
      lora.adapter->scale;
  return all ? y + delta : y.index_add(0, lora.rows, delta);
}

// Normalizes each head of x, [rows, heads * head_dim], if the model has such
// norms.
Tensor NormalizeHeads(const Tensor& x, const Tensor& weight,
                      const ModelConfig& config) {
  if (!weight.defined()) return x;
  return Normalize(x.view({x.size(0), -1, config.head_dim}), weight, config)
      .flatten(1);
}

Tensor Times(const Tensor& x, float scale) {
  return scale == 1 ? x : x * scale;
}

// What a sublayer adds to the residual: its result, normalized if the model has
// such norms.
Tensor Added(const Tensor& result, const Tensor& post_norm,
             const ModelConfig& config) {
  return post_norm.defined() ? Normalize(result, post_norm, config) : result;
}

// The projections of h, the normalized input.
Tensor QueryOf(const Tensor& h, const DecoderWeights& model, int layer,
               const LoraScope& lora) {
  const LayerWeights& w = model.weights.layers[size_t(layer)];
  const Tensor query = NormalizeHeads(Project(h, w.query, lora, layer, kQuery),
                                      w.query_norm, model.config);
  return Times(query, model.config.query_scale);
}

Qkv KeyValueOf(const Tensor& h, const DecoderWeights& model, int layer,
               const LoraScope& lora) {
  const LayerWeights& w = model.weights.layers[size_t(layer)];
  return {.query = {},
          .key = NormalizeHeads(Project(h, w.key, lora, layer, kKey),
                                w.key_norm, model.config),
          .value = Project(h, w.value, lora, layer, kValue)};
}

Tensor AttentionNorm(const Tensor& x, const DecoderWeights& model, int layer) {
  return Normalize(x, model.weights.layers[size_t(layer)].attention_norm,
                   model.config);
}

}  // namespace

Tensor Embed(const DecoderWeights& model, const Tensor& ids) {
  return Times(Rows(model.weights.embedding, ids),
               model.config.embedding_scale);
}

Qkv LayerInput(const Tensor& x, const DecoderWeights& model, int layer,
               const LoraScope& lora) {
  const Tensor h = AttentionNorm(x, model, layer);
  Qkv qkv = KeyValueOf(h, model, layer, lora);
  qkv.query = QueryOf(h, model, layer, lora);
  return qkv;
}

Qkv LayerKeyValue(const Tensor& x, const DecoderWeights& model, int layer,
                  const LoraScope& lora) {
  return KeyValueOf(AttentionNorm(x, model, layer), model, layer, lora);
}

Tensor LayerOutput(const Tensor& x, const Tensor& attended,
                   const DecoderWeights& model, int layer,
                   const LoraScope& lora) {
  const LayerWeights& w = model.weights.layers[size_t(layer)];
  const Tensor mixed = Project(attended, w.output, lora, layer, kOutput);
  const Tensor middle = x + Added(mixed, w.attention_post_norm, model.config);
  const Tensor h = Normalize(middle, w.mlp_norm, model.config);
  const Tensor gate = Project(h, w.gate, lora, layer, kGate);
  const Tensor up = Project(h, w.up, lora, layer, kUp);
  const Tensor mlp =
      Project(Activate(gate, model.config.architecture.activation) * up, w.down,
              lora, layer, kDown);
  return middle + Added(mlp, w.mlp_post_norm, model.config);
}

Tensor RunLayers(Tensor x, const DecoderWeights& model, const LoraScope& lora,
                 const OutputRows& output, AttentionFunction attention) {
  const int last = model.config.layers - 1;
  for (int layer = 0; layer < last; ++layer) {
    const Tensor attended = attention(layer, LayerInput(x, model, layer, lora));
    x = LayerOutput(x, attended, model, layer, lora);
  }
  if (output.none) {
    attention(last, LayerKeyValue(x, model, last, lora));
    return {};
  }
  Tensor attended = attention(last, LayerInput(x, model, last, lora));
  if (output.only.defined()) {
    attended = attended.index_select(0, output.only);
    x = x.index_select(0, output.only);
  }
  return LayerOutput(x, attended, model, last, lora);
}

Tensor OutputLogits(const Tensor& x, const DecoderWeights& model) {
  return Product(Normalize(x, model.weights.output_norm, model.config),
                 model.weights.output);
}

}  // namespace gist
