#include "core/train/passes/whole_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include <algorithm>

#include "core/model/decoder.h"
#include "core/model/gist_rows.h"
#include "core/model/ops.h"

namespace gist {
namespace {

using at::Tensor;

// Qkv by heads: each [heads, rows, head_dim], views.
struct Heads {
  Heads(const Qkv& qkv, const ModelConfig& config)
      : query(SplitHeads(qkv.query, config.heads)),
        key(SplitHeads(qkv.key, config.kv_heads)),
        value(SplitHeads(qkv.value, config.kv_heads)) {}
  Tensor query, key, value;
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
                            model)),
        positions_(RotationsFrom(model.prefix_tokens, tokens_, model)),
        text_(Embed(model, FromIds({document.ids.begin(), document.ids.end()},
                                   model.device()))),
        x_(adapter.embeddings.index_select(0, gists_.slots)) {}

  // Runs one layer. Returns keys and values of the gists.
  Qkv Layer(int layer) {
    if (layer + 1 == config_.layers) {  // its outputs are unused
      return LayerKeyValue(x_, model_, layer, &adapter_);
    }
    const Qkv gists = LayerInput(x_, model_, layer, &adapter_);
    const Heads text(LayerInput(text_, model_, layer, text_adapter_), config_);
    text_ = LayerOutput(text_, AttendText(layer, text), model_, layer,
                        text_adapter_);
    x_ = LayerOutput(x_, AttendGists(layer, text, Heads(gists, config_)),
                     model_, layer, &adapter_);
    return gists;
  }

 private:
  // [prefix, kv_heads, head_dim] -> [kv_heads, prefix, head_dim]
  Tensor Prefix(const std::vector<Tensor>& rows, int layer) const {
    return rows[size_t(layer)].transpose(0, 1);
  }

  // A segment attends to the shared prefix and itself; its positions start
  // right after the prefix.
  Tensor AttendText(int layer, const Heads& text) const {
    const size_t kind = config_.KindOf(layer);
    const int window = config_.kinds[kind].window;
    std::vector<Tensor> segments;
    for (int begin = 0; begin < tokens_; begin += segment_tokens_) {
      const int count = std::min(segment_tokens_, tokens_ - begin);
      const Rotation rotation =
          RotationsFrom(model_.prefix_tokens, count, model_)[kind];
      const Tensor keys =
          at::cat({Prefix(model_.prefix_keys, layer),
                   Rotate(text.key.narrow(1, begin, count), rotation)},
                  1);
      const Tensor values = at::cat({Prefix(model_.prefix_values, layer),
                                     text.value.narrow(1, begin, count)},
                                    1);
      const Tensor mask =
          GroupMask(CausalMask(count, model_.prefix_tokens + count, window,
                               model_.device()),
                    config_);
      segments.push_back(
          Attend(Rotate(text.query.narrow(1, begin, count), rotation), keys,
                 values, mask));
    }
    return at::cat(segments);
  }

  Tensor AttendGists(int layer, const Heads& text, const Heads& gists) const {
    const size_t kind = config_.KindOf(layer);
    const Rotation& rotation = gists_.rotations[kind];
    const Tensor keys = at::cat(
        {Prefix(model_.prefix_keys, layer), Rotate(text.key, positions_[kind]),
         Rotate(gists.key, rotation)},
        1);
    const Tensor values = at::cat(
        {Prefix(model_.prefix_values, layer), text.value, gists.value}, 1);
    return Attend(Rotate(gists.query, rotation), keys, values,
                  gists_.masks[kind]);
  }

  const BaseWeights& model_;
  const ModelConfig& config_;
  const Adapter::Impl& adapter_;
  const Adapter::Impl* const text_adapter_;
  const int tokens_;
  const int segment_tokens_;
  const GistRows gists_;
  const Rotations positions_;  // of the text as keys of the gists
  Tensor text_;                // [tokens, hidden]
  Tensor x_;                   // [gists, hidden]
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
      const Qkv written = pass.Layer(int(layer));
      keys[layer].push_back(written.key);
      values[layer].push_back(written.value);
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
