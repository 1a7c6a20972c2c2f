#include "core/train/passes/gist_writer.h"

#include <ATen/ops/index_select.h>

#include "core/model/decoder.h"
#include "core/model/ops.h"

namespace gist {

using at::Tensor;

WrittenGists WriteGists(const std::shared_ptr<const WritePlan>& plan,
                        const Adapter::Impl& adapter) {
  const BaseWeights& model = *plan->model;
  WrittenGists gists;
  const auto attend = [&](int layer, const Qkv& qkv) -> Tensor {
    gists.keys.push_back(qkv.key);
    gists.values.push_back(qkv.value);
    if (!qkv.query.defined()) return {};
    return BlockAttention(plan, layer, qkv.query, qkv.key, qkv.value);
  };
  const Tensor x =
      adapter.embeddings.index_select(0, FromIds(plan->slots, model.device()));
  RunLayers(x, model, &adapter, OutputRows::None(), attend);
  return gists;
}

}  // namespace gist
