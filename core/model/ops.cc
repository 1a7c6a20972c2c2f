#include "core/model/ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace gist {

using at::Tensor;

std::vector<Tensor> FrequenciesOf(const ModelConfig& config,
                                  at::Device device) {
  std::vector<Tensor> frequencies;
  for (const LayerKind& kind : config.kinds) {
    frequencies.push_back(FromFloats(
        kind.frequencies, {int64_t(kind.frequencies.size())}, device));
  }
  return frequencies;
}

Rotations RotationsAt(const Tensor& positions, const DecoderWeights& model) {
  Rotations rotations;
  for (size_t i = 0; i < model.frequencies.size(); ++i) {
    const Tensor angles =
        at::outer(positions.to(at::kFloat), model.frequencies[i]);
    const float scale = model.config.kinds[i].rope_scale;
    const auto scaled = [&](const Tensor& x) {
      return scale == 1 ? x : x * scale;
    };
    rotations.push_back({scaled(angles.cos()), scaled(angles.sin())});
  }
  return rotations;
}

Rotations RotationsFrom(int begin, int rows, const DecoderWeights& model) {
  const auto options = at::TensorOptions(at::kLong).device(model.device());
  return RotationsAt(at::arange(begin, begin + rows, options), model);
}

Rotations ForRowsFirst(Rotations rotations) {
  for (Rotation& rotation : rotations)
    rotation = {rotation.cos.unsqueeze(1), rotation.sin.unsqueeze(1)};
  return rotations;
}

Tensor Rotate(const Tensor& x, const Rotation& rotation) {
  const int64_t pairs = rotation.cos.size(-1);
  const int64_t rest = x.size(-1) - 2 * pairs;
  const Tensor a = x.narrow(-1, 0, pairs);
  const Tensor b = x.narrow(-1, pairs, pairs);
  const Tensor first = a * rotation.cos - b * rotation.sin;
  const Tensor second = a * rotation.sin + b * rotation.cos;
  if (rest == 0) return at::cat({first, second}, -1);
  std::vector<int64_t> sizes = first.sizes().vec();
  sizes.back() = rest;
  return at::cat({first, second, x.narrow(-1, 2 * pairs, rest).expand(sizes)},
                 -1);
}

Tensor SplitHeads(const Tensor& x, int heads) {
  return x.view({x.size(0), heads, -1}).transpose(0, 1);
}

Masks MasksOf(const ModelConfig& config,
              absl::FunctionRef<Tensor(int window)> make) {
  Masks masks;
  for (const LayerKind& kind : config.kinds) {
    const auto same =
        std::ranges::find(config.kinds, kind.window, &LayerKind::window);
    const auto index = size_t(same - config.kinds.begin());
    masks.push_back(index < masks.size() ? masks[index] : make(kind.window));
  }
  return masks;
}

Tensor CausalMask(int64_t rows, int64_t tokens, int window, at::Device device) {
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const Tensor hidden = at::full(
      {rows, tokens}, -std::numeric_limits<float>::infinity(), options);
  const int64_t own = tokens - rows;  // the token of row 0
  if (window == 0) return hidden.triu_(own + 1);
  return hidden.triu(own + 1) + hidden.tril(own - window);
}

Tensor GroupMask(const Tensor& mask, const ModelConfig& config) {
  return mask.repeat({config.heads / config.kv_heads, 1})
      .unsqueeze(0)
      .unsqueeze(0);
}

// Query heads of one KV head are stacked as rows. So keys and values are read
// in place instead of repeated.
Tensor Attend(const Tensor& query, const Tensor& keys, const Tensor& values,
              const Tensor& mask) {
  const int64_t rows = query.size(1), head_dim = query.size(2);
  const int64_t kv_heads = keys.size(0), group = query.size(0) / kv_heads;
  const Tensor stacked = query.reshape({1, kv_heads, group * rows, head_dim});
  const auto given = mask.defined() ? std::optional(mask) : std::nullopt;
  const Tensor out = at::scaled_dot_product_attention(
      stacked, keys.unsqueeze(0), values.unsqueeze(0), given);
  return out.reshape({kv_heads * group, rows, head_dim})
      .transpose(0, 1)
      .reshape({rows, -1});
}

Tensor AttendBatch(const Tensor& query, const Tensor& keys,
                   const Tensor& values, const Tensor& mask) {
  const int64_t batch = query.size(0), rows = query.size(1);
  const int64_t heads = query.size(2), head_dim = query.size(3);
  const int64_t kv_heads = keys.size(1), group = heads / kv_heads;
  const Tensor stacked =
      query.view({batch, rows, kv_heads, group, head_dim})
          .permute({0, 2, 3, 1, 4})
          .reshape({batch, kv_heads, group * rows, head_dim});
  return at::scaled_dot_product_attention(stacked, keys, values, mask)
      .reshape({batch, kv_heads, group, rows, head_dim})
      .permute({0, 3, 1, 2, 4})
      .reshape({batch * rows, heads * head_dim});
}

Tensor FromFloats(const std::vector<float>& values, at::IntArrayRef shape,
                  at::Device device) {
  const Tensor view = at::from_blob(const_cast<float*>(values.data()), shape,
                                    at::TensorOptions(at::kFloat));
  return view.to(device, /*non_blocking=*/false, /*copy=*/true);
}

Tensor FromIds(const std::vector<int64_t>& ids, at::Device device) {
  return at::tensor(ids, at::TensorOptions(at::kLong)).to(device);
}

void CopyTo(const Tensor& tensor, float* out) {
  const Tensor host = tensor.cpu().contiguous();
  std::copy_n(host.const_data_ptr<float>(), host.numel(), out);
}

}  // namespace gist
