#include "core/train/passes/base_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "core/base/status.h"
#include "core/model/decoder.h"
#include "core/model/ops.h"

namespace gist {
namespace {

using at::Tensor;

// Rows of `segments` segments as one batch.
struct SegmentBatch {
  const BaseWeights& model;
  int64_t segments;
  int64_t tokens;       // of each
  Rotations rotations;  // [tokens, 1, pairs]
  Masks masks;          // of GroupMask, over prefix and segment

  // [segments * tokens, heads * head_dim] -> [segments, tokens, heads,
  // head_dim]
  Tensor Split(const Tensor& x, int heads) const {
    return x.view({segments, tokens, heads, model.config.head_dim});
  }
  Tensor WithPrefix(const Tensor& prefix, const Tensor& rows) const {
    return at::cat({prefix.unsqueeze(0).expand({segments, -1, -1, -1}), rows},
                   1)
        .transpose(1, 2);
  }
};

SegmentBatch MakeBatch(const BaseWeights& model, int64_t segments,
                       int64_t tokens) {
  return {model, segments, tokens,
          ForRowsFirst(RotationsFrom(model.prefix_tokens, int(tokens), model)),
          MasksOf(model.config, [&](int window) {
            return GroupMask(CausalMask(tokens, model.prefix_tokens + tokens,
                                        window, model.device()),
                             model.config);
          })};
}

}  // namespace

absl::StatusOr<BaseWeights> MakeBaseWeights(const Transformer& transformer,
                                            std::span<const int32_t> prefix) {
  KvCache cache = transformer.NewCache();
  if (!prefix.empty()) {
    const ForwardItem item{.cache = &cache, .ids = prefix};
    GIST_RETURN_IF_ERROR(transformer.Forward({&item, 1}).status());
  }
  return Fence("base weights", [&]() -> absl::StatusOr<BaseWeights> {
    const at::NoGradGuard no_grad;
    BaseWeights model{transformer.weights()};
    model.prefix_tokens = int(prefix.size());
    const ModelConfig& config = model.config;
    const Tensor none =
        at::zeros({0, config.kv_heads, config.head_dim},
                  at::TensorOptions(at::kFloat).device(model.device()));
    for (int layer = 0; layer < config.layers; ++layer) {
      const bool empty = prefix.empty();
      const auto rows = [&](const Tensor& heads_first) {
        return heads_first.transpose(0, 1).contiguous();
      };
      model.prefix_keys.push_back(
          empty ? none : rows(cache.impl().Keys(layer, cache.tokens())));
      model.prefix_values.push_back(
          empty ? none : rows(cache.impl().Values(layer, cache.tokens())));
    }
    return model;
  });
}

BaseWeights InBfloat16(BaseWeights model) {
  const at::NoGradGuard no_grad;
  const auto narrow = [](Linear& matrix) {
    if (!matrix.values.defined()) return;  // quantized is smaller still
    matrix.values = matrix.values.to(at::kBFloat16);
  };
  narrow(model.weights.output);
  for (LayerWeights& layer : model.weights.layers) {
    for (Linear* matrix :
         {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
          &layer.up, &layer.down}) {
      narrow(*matrix);
    }
  }
  return model;
}

Tensor ReadSegments(const BaseWeights& model, std::span<const int32_t> ids,
                    int segment_tokens, at::ScalarType type) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = model.config;
  const SegmentBatch batch =
      MakeBatch(model, int64_t(ids.size()) / segment_tokens, segment_tokens);
  Tensor kv = at::empty({batch.segments, config.layers, 2, config.kv_heads,
                         segment_tokens, config.head_dim},
                        at::TensorOptions(type).device(model.device()));
  const auto attend = [&](int layer, const Qkv& qkv) -> Tensor {
    const size_t kind = config.KindOf(layer);
    const Rotation& rotation = batch.rotations[kind];
    const Tensor key = Rotate(batch.Split(qkv.key, config.kv_heads), rotation);
    const Tensor value = batch.Split(qkv.value, config.kv_heads);
    const Tensor out = kv.select(1, layer);
    out.select(1, 0).copy_(key.transpose(1, 2));
    out.select(1, 1).copy_(value.transpose(1, 2));
    if (!qkv.query.defined()) return {};
    const Tensor query = Rotate(batch.Split(qkv.query, config.heads), rotation);
    return AttendBatch(
        query, batch.WithPrefix(model.prefix_keys[size_t(layer)], key),
        batch.WithPrefix(model.prefix_values[size_t(layer)], value),
        batch.masks[kind]);
  };
  const Tensor x =
      Embed(model, FromIds({ids.begin(), ids.end()}, model.device()));
  RunLayers(x, model, /*lora=*/nullptr, OutputRows::None(), attend);
  return kv;
}

}  // namespace gist
