#include "core/train/passes/gist_writer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/index_select.h>

#include "core/model/ops.h"

namespace gist {

using at::Tensor;

WrittenGists WriteGists(const std::shared_ptr<const WritePlan>& plan,
                        const Adapter::Impl& adapter) {
  const BaseWeights& model = *plan->model;
  const ModelConfig& config = model.config;
  WrittenGists gists;
  Tensor x = adapter.embeddings.index_select(
      0, FromIds(plan->slots, model.frequencies.device()));
  for (int layer = 0; layer < config.layers; ++layer) {
    const LayerWeights& w = model.weights.layers[size_t(layer)];
    const Tensor h = RmsNorm(x, w.attention_norm, config.rms_norm_epsilon);
    const Tensor key = Project(h, w.key, &adapter, layer, kKey);
    const Tensor value = Project(h, w.value, &adapter, layer, kValue);
    gists.keys.push_back(key);
    gists.values.push_back(value);
    if (layer + 1 == config.layers) break;  // nothing reads the last output
    const Tensor query = Project(h, w.query, &adapter, layer, kQuery);
    const Tensor attended = BlockAttention(plan, layer, query, key, value);
    x = x + Project(attended, w.output, &adapter, layer, kOutput);
    x = Mlp(x, w, config.rms_norm_epsilon, &adapter, layer);
  }
  return gists;
}

}  // namespace gist
