#include "core/train/passes/kernel_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/model/device.h"
#include "core/train/passes/autograd_node.h"
#include "core/train/passes/block_kernel.h"

namespace gist {

using at::Tensor;
using torch::autograd::variable_list;

// On the model's device; names as in BlockKernelArgs.
struct KernelPlan {
  Tensor tile_kv, tile_begin, tile_tokens, tile_start;
  Tensor block_tiles, block_rows, positions;
  int most_rows = 0;
  int segment_tokens = 0;
  BlockKernels kernels;
};

namespace {

// What goes wrong is thrown, as LibTorch's own kernels do.
void Run(BlockKernel kernel, const BlockKernelArgs& args) {
  const char* const error = kernel(args);
  if (error != nullptr)
    throw std::runtime_error(std::string("gists' attention: ") + error);
}

// The gists' own rows, before RoPE, and what the forward pass makes of them.
struct OwnRows {
  Tensor query, key, value, out, log_sum;
};

BlockKernelArgs ArgsOf(const WritePlan& plan, int layer, const OwnRows& rows) {
  const BaseWeights& model = *plan.model;
  const KernelPlan& kernel = *plan.kernel;
  const auto ints = [](const Tensor& tensor) {
    return tensor.const_data_ptr<int32_t>();
  };
  BlockKernelArgs args;
  args.blocks = int(plan.blocks.size());
  args.most_rows = kernel.most_rows;
  args.heads = model.config.heads;
  args.kv_heads = model.config.kv_heads;
  args.head_dim = model.config.head_dim;
  args.layer = layer;
  args.segment_tokens = kernel.segment_tokens;
  args.prefix_tokens = model.prefix_tokens;
  args.tile_kv = kernel.tile_kv.const_data_ptr<int64_t>();
  args.tile_begin = ints(kernel.tile_begin);
  args.tile_tokens = ints(kernel.tile_tokens);
  args.tile_start = ints(kernel.tile_start);
  args.block_tiles = ints(kernel.block_tiles);
  args.block_rows = ints(kernel.block_rows);
  args.positions = ints(kernel.positions);
  args.frequencies =
      model.frequencies[model.KindOf(layer)].const_data_ptr<float>();
  args.prefix_keys = model.prefix_keys[size_t(layer)].const_data_ptr<float>();
  args.prefix_values =
      model.prefix_values[size_t(layer)].const_data_ptr<float>();
  args.query = rows.query.const_data_ptr<float>();
  args.key = rows.key.const_data_ptr<float>();
  args.value = rows.value.const_data_ptr<float>();
  args.out = rows.out.mutable_data_ptr<float>();
  args.log_sum = rows.log_sum.mutable_data_ptr<float>();
  return args;
}

// Knows, for autograd, how KernelAttention's gradient is made.
struct KernelNode final : torch::autograd::Node {
  variable_list apply(variable_list&& out_gradients) override {
    const at::NoGradGuard no_grad;
    const Tensor gradient = out_gradients[0].contiguous();
    const variable_list gradients = {at::empty_like(rows.query),
                                     at::empty_like(rows.key),
                                     at::empty_like(rows.value)};
    BlockKernelArgs args = ArgsOf(*plan, layer, rows);
    args.out_gradient = gradient.const_data_ptr<float>();
    args.query_gradient = gradients[0].mutable_data_ptr<float>();
    args.key_gradient = gradients[1].mutable_data_ptr<float>();
    args.value_gradient = gradients[2].mutable_data_ptr<float>();
    Run(plan->kernel->kernels.backward, args);
    return gradients;
  }
  void release_variables() override { rows = {}; }

  std::shared_ptr<const WritePlan> plan;
  int layer = 0;
  OwnRows rows;
};

}  // namespace

std::optional<BlockKernels> KernelsFor(const BaseWeights& model,
                                       const GistLayout& layout) {
  const auto find = [](const char* name) {
    return reinterpret_cast<BlockKernel>(CudaFunction(name));
  };
  const BlockKernels kernels = {find(kForwardName), find(kBackwardName)};
  const std::vector<LayerKind>& kinds = model.config.kinds;
  const auto fits = [&](const LayerKind& kind) {
    return kind.window == 0 && kind.rope_scale == 1 &&
           int(kind.frequencies.size()) * 2 == model.config.head_dim;
  };
  if (model.device().is_cpu() || kernels.forward == nullptr ||
      kernels.backward == nullptr || !std::ranges::all_of(kinds, fits) ||
      !FitsBlockKernel(model.config.head_dim, layout.gists_per_block)) {
    return std::nullopt;
  }
  return kernels;
}

std::shared_ptr<const KernelPlan> MakeKernelPlan(const WritePlan& plan,
                                                 BlockKernels kernels) {
  std::vector<int64_t> tile_kv;
  std::vector<int32_t> tile_begin, tile_tokens, tile_start,
      block_tiles = {0}, block_rows = {0}, positions;
  auto kernel = std::make_shared<KernelPlan>();
  kernel->kernels = kernels;
  for (const BlockPlan& block : plan.blocks) {
    for (const BlockTile& tile : block.tiles) {
      tile_kv.push_back(reinterpret_cast<int64_t>(tile.kv.const_data_ptr()));
      tile_begin.push_back(int32_t(tile.begin));
      tile_tokens.push_back(int32_t(tile.tokens));
      tile_start.push_back(int32_t(tile.segment_begin));
      kernel->segment_tokens = int(tile.kv.size(3));
    }
    positions.insert(positions.end(), block.positions.begin(),
                     block.positions.end());
    block_tiles.push_back(int32_t(tile_kv.size()));
    block_rows.push_back(int32_t(positions.size()));
    kernel->most_rows = std::max(kernel->most_rows, int(block.rows));
  }
  const at::Device device = plan.model->device();
  const auto put = [&](const std::vector<int32_t>& values) {
    return at::tensor(values, at::TensorOptions(at::kInt)).to(device);
  };
  kernel->tile_kv = FromIds(tile_kv, device);
  kernel->tile_begin = put(tile_begin);
  kernel->tile_tokens = put(tile_tokens);
  kernel->tile_start = put(tile_start);
  kernel->block_tiles = put(block_tiles);
  kernel->block_rows = put(block_rows);
  kernel->positions = put(positions);
  return kernel;
}

Tensor KernelAttention(const std::shared_ptr<const WritePlan>& plan, int layer,
                       const Tensor& query, const Tensor& key,
                       const Tensor& value) {
  OwnRows rows{.query = query.detach().contiguous(),
               .key = key.detach().contiguous(),
               .value = value.detach().contiguous(),
               .out = {},
               .log_sum = {}};
  const Tensor out = at::empty_like(rows.query);
  rows.out = out.detach();
  rows.log_sum =
      at::empty({out.size(0), plan->model->config.heads}, out.options());
  Run(plan->kernel->kernels.forward, ArgsOf(*plan, layer, rows));
  if (torch::autograd::compute_requires_grad(query, key, value)) {
    auto node = MakeNode<KernelNode>();
    node->plan = plan;
    node->layer = layer;
    node->rows = std::move(rows);
    SetHistory(out, std::move(node), query, key, value);
  }
  return out;
}

}  // namespace gist
