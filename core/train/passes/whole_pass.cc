#include "core/train/passes/whole_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include <algorithm>

#include "core/model/gist_rows.h"
#include "core/model/ops.h"

namespace gist {
namespace {

using at::Tensor;

// A layer's rows as attention wants them, keys before RoPE.
struct Heads {
  Tensor query;  // [heads, rows, head_dim]
  Tensor key;    // [kv_heads, rows, head_dim]
  Tensor value;  // likewise
};

class WholePass {
 public:
  WholePass(const BaseWeights& model, const GistLayout& layout,
            const TrainDocument& document, const Adapter::Impl& adapter)
      : model_(model),
        config_(model.config),
        adapter_(adapter),
        text_adapter_(layout.lora_everywhere ? &adapter : nullptr),
        tokens_(document.tokens),
        segment_tokens_(layout.segment_tokens > 0 ? layout.segment_tokens
                                                  : document.tokens),
        gists_(MakeGistRows(ShapeOf(document, layout, model.prefix_tokens),
                            model.config, model.frequencies)),
        positions_(
            RotationFrom(model.prefix_tokens, tokens_, model.frequencies)),
        text_(Rows(model.weights.embedding,
                   FromIds({document.ids.begin(), document.ids.end()},
                           model.frequencies.device()))),
        x_(adapter.embeddings.index_select(0, gists_.slots)) {}

  // Appends the gists' rows of this layer.
  void Layer(int layer, Tensor* keys, Tensor* values) {
    const Heads text = HeadsOf(text_, layer, text_adapter_);
    const Heads gists = HeadsOf(x_, layer, &adapter_);
    const auto rows = [](const Tensor& heads) {
      return heads.transpose(0, 1).flatten(1);
    };
    *keys = rows(gists.key);
    *values = rows(gists.value);
    if (layer + 1 == config_.layers) return;  // nothing reads the last output
    text_ = After(text_, AttendText(layer, text), layer, text_adapter_);
    x_ = After(x_, AttendGists(layer, text, gists), layer, &adapter_);
  }

 private:
  const LayerWeights& weights(int layer) const {
    return model_.weights.layers[size_t(layer)];
  }
  // [prefix, kv_heads, head_dim] -> [kv_heads, prefix, head_dim]
  Tensor Prefix(const std::vector<Tensor>& rows, int layer) const {
    return rows[size_t(layer)].transpose(0, 1);
  }

  Heads HeadsOf(const Tensor& x, int layer, const Adapter::Impl* lora) const {
    const LayerWeights& w = weights(layer);
    const Tensor h = RmsNorm(x, w.attention_norm, config_.rms_norm_epsilon);
    return {
        SplitHeads(Project(h, w.query, lora, layer, kQuery), config_.heads),
        SplitHeads(Project(h, w.key, lora, layer, kKey), config_.kv_heads),
        SplitHeads(Project(h, w.value, lora, layer, kValue), config_.kv_heads)};
  }
  Tensor After(const Tensor& x, const Tensor& attended, int layer,
               const Adapter::Impl* lora) const {
    const LayerWeights& w = weights(layer);
    const Tensor middle = x + Project(attended, w.output, lora, layer, kOutput);
    return Mlp(middle, w, config_.rms_norm_epsilon, lora, layer);
  }

  // Each segment sees the shared prefix and itself, right after the prefix.
  Tensor AttendText(int layer, const Heads& text) const {
    std::vector<Tensor> segments;
    for (int begin = 0; begin < tokens_; begin += segment_tokens_) {
      const int count = std::min(segment_tokens_, tokens_ - begin);
      const Rotation rotation =
          RotationFrom(model_.prefix_tokens, count, model_.frequencies);
      const Tensor keys =
          at::cat({Prefix(model_.prefix_keys, layer),
                   Rotate(text.key.narrow(1, begin, count), rotation)},
                  1);
      const Tensor values = at::cat({Prefix(model_.prefix_values, layer),
                                     text.value.narrow(1, begin, count)},
                                    1);
      const Tensor mask =
          GroupMask(CausalMask(count, model_.prefix_tokens + count,
                               model_.frequencies.device()),
                    config_);
      segments.push_back(
          Attend(Rotate(text.query.narrow(1, begin, count), rotation), keys,
                 values, mask));
    }
    return at::cat(segments);
  }

  Tensor AttendGists(int layer, const Heads& text, const Heads& gists) const {
    const Tensor keys = at::cat(
        {Prefix(model_.prefix_keys, layer), Rotate(text.key, positions_),
         Rotate(gists.key, gists_.rotation)},
        1);
    const Tensor values = at::cat(
        {Prefix(model_.prefix_values, layer), text.value, gists.value}, 1);
    return Attend(Rotate(gists.query, gists_.rotation), keys, values,
                  gists_.mask);
  }

  const BaseWeights& model_;
  const ModelConfig& config_;
  const Adapter::Impl& adapter_;
  const Adapter::Impl* const text_adapter_;
  const int tokens_;
  const int segment_tokens_;
  const GistRows gists_;
  const Rotation positions_;  // of the text, where gists see it
  Tensor text_;               // [tokens, hidden]
  Tensor x_;                  // [gists, hidden]
};

}  // namespace

WrittenGists WriteGistsWhole(const BaseWeights& model, const GistLayout& layout,
                             std::span<const TrainDocument> documents,
                             const Adapter::Impl& adapter) {
  const size_t layers = size_t(model.config.layers);
  std::vector<std::vector<Tensor>> keys(layers), values(layers);
  for (const TrainDocument& document : documents) {
    WholePass pass(model, layout, document, adapter);
    for (size_t layer = 0; layer < layers; ++layer) {
      pass.Layer(int(layer), &keys[layer].emplace_back(),
                 &values[layer].emplace_back());
    }
  }
  WrittenGists gists;
  for (size_t layer = 0; layer < layers; ++layer) {
    gists.keys.push_back(at::cat(keys[layer]));
    gists.values.push_back(at::cat(values[layer]));
  }
  return gists;
}

WrittenGists WriteGists(const BaseWeights& model, const GistLayout& layout,
                        std::span<const TrainDocument> documents,
                        const Adapter::Impl& adapter) {
  return layout.lora_everywhere
             ? WriteGistsWhole(model, layout, documents, adapter)
             : WriteGists(MakeWritePlan(model, layout, documents), adapter);
}

}  // namespace gist
