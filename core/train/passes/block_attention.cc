#include "core/train/passes/block_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <limits>

#include "core/gist/mask.h"
#include "core/train/passes/autograd_node.h"
#include "core/train/passes/kernel_attention.h"

namespace gist {
namespace {

using at::Tensor;
using torch::autograd::variable_list;

// What a block's backward pass needs of its forward pass.
struct BlockMemory {
  Tensor
      weights;   // after softmax [kv_heads, group * rows, prefix + text + rows]
  Tensor query;  // at its true position, scaled [kv_heads, group * rows, dim]
  Tensor key;    // rotated [kv_heads, rows, dim]
  Tensor value;  // [kv_heads, rows, dim]
  Tensor out;    // [kv_heads, group * rows, dim]
};

struct RowGradients {
  Tensor query, key, value;  // [rows of the batch, heads * dim]
};

// One block at one layer.
class BlockPass {
 public:
  BlockPass(const WritePlan& plan, size_t block, int layer)
      : model_(*plan.model),
        plan_(plan),
        block_(plan.blocks[block]),
        layer_(layer),
        rotation_(block_.rotations[model_.KindOf(layer)]),
        window_mask_(block_.window_masks[model_.KindOf(layer)]),
        scale_(1 / std::sqrt(double(model_.config.head_dim))) {}

  BlockMemory Forward(const Tensor& query, const Tensor& key,
                      const Tensor& value, Tensor* out) const;
  void Backward(const BlockMemory& memory, const Tensor& out_gradient,
                RowGradients* gradients) const;

 private:
  // The block's rows of a batch, [heads, rows, dim], a view.
  Tensor Heads(const Tensor& x, int heads) const {
    return x.narrow(0, block_.first_row, block_.rows)
        .view({block_.rows, heads, model_.config.head_dim})
        .transpose(0, 1);
  }
  // [..., heads, rows, dim] -> [..., kv_heads, group * rows, dim]
  Tensor Grouped(const Tensor& x) const {
    std::vector<int64_t> shape = x.sizes().vec();
    shape[shape.size() - 3] = model_.config.kv_heads;
    shape[shape.size() - 2] = -1;
    return x.reshape(shape);
  }
  Rotation TrueRotation() const {
    const int64_t last = int64_t(block_.tiles.size());
    return {rotation_.cos.select(0, last), rotation_.sin.select(0, last)};
  }
  static Rotation Back(const Rotation& rotation) {
    return {rotation.cos, -rotation.sin};
  }
  Tensor Prefix(const std::vector<Tensor>& rows) const {
    return rows[size_t(layer_)].transpose(0, 1);
  }
  // Keys (0) or values (1) of a tile, [kv_heads, tokens, dim]: float, and small
  // enough to stay in the cache until it has been used.
  Tensor Floats(const BlockTile& tile, int which) const {
    return tile.kv.select(0, layer_)
        .select(0, which)
        .narrow(1, tile.begin, tile.tokens)
        .to(at::kFloat);
  }
  Tensor Scores(const Tensor& turned, const Tensor& own_key) const;
  Tensor Mix(const Tensor& weights, const Tensor& own_value) const;
  Tensor ScoreGradient(const BlockMemory& memory, const Tensor& gradient) const;
  Tensor QueryGradient(const BlockMemory& memory, const Tensor& scores) const;

  const BaseWeights& model_;
  const WritePlan& plan_;
  const BlockPlan& block_;
  const int layer_;
  const Rotation& rotation_;
  const Tensor& window_mask_;
  const double scale_;
};

// `turned` [tiles + 1, kv_heads, group * rows, dim].
Tensor BlockPass::Scores(const Tensor& turned, const Tensor& own_key) const {
  const Tensor query = turned.select(0, int64_t(block_.tiles.size()));
  std::vector<Tensor> scores = {
      at::bmm(query, Prefix(model_.prefix_keys).transpose(1, 2))};
  for (size_t i = 0; i < block_.tiles.size(); ++i) {
    scores.push_back(at::bmm(turned.select(0, int64_t(i)),
                             Floats(block_.tiles[i], 0).transpose(1, 2)));
  }
  scores.push_back(at::bmm(query, own_key.transpose(1, 2)) + block_.own_mask);
  const Tensor all = at::cat(scores, 2);
  return window_mask_.defined() ? all.add_(window_mask_) : all;
}

Tensor BlockPass::Mix(const Tensor& weights, const Tensor& own_value) const {
  int64_t begin = model_.prefix_tokens;
  Tensor out =
      at::bmm(weights.narrow(2, 0, begin), Prefix(model_.prefix_values));
  for (const BlockTile& tile : block_.tiles) {
    out.baddbmm_(weights.narrow(2, begin, tile.tokens), Floats(tile, 1));
    begin += tile.tokens;
  }
  return out.baddbmm_(weights.narrow(2, begin, block_.rows), own_value);
}

BlockMemory BlockPass::Forward(const Tensor& query, const Tensor& key,
                               const Tensor& value, Tensor* out) const {
  const ModelConfig& config = model_.config;
  BlockMemory memory;
  const Tensor scaled = Heads(query, config.heads) * scale_;
  const Tensor turned = Grouped(Rotate(scaled.unsqueeze(0), rotation_));
  memory.query = turned.select(0, int64_t(block_.tiles.size())).clone();
  memory.key = Rotate(Heads(key, config.kv_heads), TrueRotation());
  memory.value = Heads(value, config.kv_heads).contiguous();
  memory.weights = at::softmax(Scores(turned, memory.key), -1);
  memory.out = Mix(memory.weights, memory.value);
  Heads(*out, config.heads)
      .copy_(memory.out.view({config.heads, block_.rows, config.head_dim}));
  return memory;
}

// Through the softmax: weights * (d weights - sum of weights * d weights); the
// sum is that of out * d out. Source: FlashAttention (arXiv:2205.14135).
Tensor BlockPass::ScoreGradient(const BlockMemory& memory,
                                const Tensor& gradient) const {
  std::vector<Tensor> parts = {
      at::bmm(gradient, Prefix(model_.prefix_values).transpose(1, 2))};
  for (const BlockTile& tile : block_.tiles) {
    parts.push_back(at::bmm(gradient, Floats(tile, 1).transpose(1, 2)));
  }
  parts.push_back(at::bmm(gradient, memory.value.transpose(1, 2)));
  const Tensor dot = (gradient * memory.out).sum(-1, /*keepdim=*/true);
  return at::cat(parts, 2).sub_(dot).mul_(memory.weights);
}

// Each segment's part is turned back by that segment's rotation.
Tensor BlockPass::QueryGradient(const BlockMemory& memory,
                                const Tensor& scores) const {
  int64_t begin = model_.prefix_tokens;
  std::vector<Tensor> parts;
  for (const BlockTile& tile : block_.tiles) {
    parts.push_back(
        at::bmm(scores.narrow(2, begin, tile.tokens), Floats(tile, 0)));
    begin += tile.tokens;
  }
  parts.push_back(
      at::bmm(scores.narrow(2, 0, model_.prefix_tokens),
              Prefix(model_.prefix_keys))
          .baddbmm_(scores.narrow(2, begin, block_.rows), memory.key));
  const Tensor turned =
      at::stack(parts).view({int64_t(parts.size()), model_.config.heads,
                             block_.rows, model_.config.head_dim});
  return Rotate(turned, Back(rotation_)).sum(0).mul_(scale_);
}

void BlockPass::Backward(const BlockMemory& memory, const Tensor& out_gradient,
                         RowGradients* gradients) const {
  const ModelConfig& config = model_.config;
  const Tensor gradient = Grouped(Heads(out_gradient, config.heads));
  const Tensor scores = ScoreGradient(memory, gradient);
  const int64_t own = scores.size(2) - block_.rows;
  Heads(gradients->query, config.heads).copy_(QueryGradient(memory, scores));
  const Tensor key =
      at::bmm(scores.narrow(2, own, block_.rows).transpose(1, 2), memory.query);
  Heads(gradients->key, config.kv_heads)
      .copy_(Rotate(key, Back(TrueRotation())));
  Heads(gradients->value, config.kv_heads)
      .copy_(at::bmm(memory.weights.narrow(2, own, block_.rows).transpose(1, 2),
                     gradient));
}

// Pairs of gist and token below which a second thread costs more than it saves.
constexpr int64_t kParallelPairs = 4096;

// Calls `work(block)` for every block, spread over the threads where it is
// worth it.
template <typename Work>
void ForEachBlock(const WritePlan& plan, Work&& work) {
  int64_t pairs = 0;
  for (const BlockPlan& block : plan.blocks) {
    for (const BlockTile& tile : block.tiles) pairs += block.rows * tile.tokens;
  }
  const int64_t blocks = int64_t(plan.blocks.size());
  const int64_t at_once = pairs < kParallelPairs ? blocks : 1;
  at::parallel_for(0, blocks, at_once, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t i = begin; i < end; ++i) work(size_t(i));
  });
}

// Knows, for autograd, how BlockAttention's gradient is made.
struct BlockAttentionNode final : torch::autograd::Node {
  variable_list apply(variable_list&& out_gradients) override {
    const at::NoGradGuard no_grad;
    const Tensor gradient = out_gradients[0].contiguous();
    const ModelConfig& config = plan->model->config;
    const int64_t kv_size = int64_t(config.kv_heads) * config.head_dim;
    RowGradients gradients{
        at::empty_like(gradient),
        at::empty({plan->rows(), kv_size}, gradient.options()),
        at::empty({plan->rows(), kv_size}, gradient.options())};
    ForEachBlock(*plan, [&](size_t i) {
      BlockPass(*plan, i, layer).Backward(memories[i], gradient, &gradients);
    });
    return {gradients.query, gradients.key, gradients.value};
  }
  void release_variables() override { memories.clear(); }

  std::shared_ptr<const WritePlan> plan;
  int layer = 0;
  std::vector<BlockMemory> memories;
};

// Parts of segments that tokens [begin, end) of a document lie in.
std::vector<BlockTile> TilesOf(const TrainDocument& document, int begin,
                               int end, int segment_tokens) {
  std::vector<BlockTile> tiles;
  for (int at = begin; at < end;) {
    const int segment = at / segment_tokens;
    const int stop = std::min(end, (segment + 1) * segment_tokens);
    tiles.push_back({.kv = document.segments[size_t(segment)],
                     .begin = at - segment * segment_tokens,
                     .tokens = stop - at,
                     .segment_begin = int64_t(segment) * segment_tokens});
    at = stop;
  }
  return tiles;
}

BlockPlan PlanBlock(const BaseWeights& model, const GistLayout& layout,
                    const TrainDocument& document, const MaskShape& shape,
                    int first_gist) {
  const GistSlot first = SlotOf(shape, first_gist);
  BlockPlan block;
  block.rows =
      std::min(layout.gists_per_block, document.gist_tokens - first_gist);
  block.tiles = TilesOf(document, first.context_begin, first.context_end,
                        layout.segment_tokens);
  for (int i = 0; i < block.rows; ++i) {
    block.positions.push_back(model.prefix_tokens +
                              SlotOf(shape, first_gist + i).position);
  }
  return block;
}

void AddRotations(const BaseWeights& model, BlockPlan* block) {
  std::vector<int64_t> positions;
  const auto add = [&](int64_t begin) {
    for (const int64_t position : block->positions)
      positions.push_back(position - begin);
  };
  for (const BlockTile& tile : block->tiles) add(tile.segment_begin);
  add(0);
  block->rotations = RotationsAt(FromIds(positions, model.device()), model);
  const std::vector<int64_t> sizes = {int64_t(block->tiles.size()) + 1, 1,
                                      block->rows, -1};
  for (Rotation& flat : block->rotations)
    flat = {flat.cos.view(sizes), flat.sin.view(sizes)};
  block->own_mask = CausalMask(block->rows, block->rows, 0, model.device())
                        .repeat({model.group(), 1});
}

// Positions of what a block sees, and last its own.
std::vector<int64_t> KeyPositions(const BaseWeights& model,
                                  const BlockPlan& block) {
  std::vector<int64_t> positions;
  const auto add = [&](int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) positions.push_back(begin + i);
  };
  add(0, model.prefix_tokens);
  for (const BlockTile& tile : block.tiles)
    add(model.prefix_tokens + tile.segment_begin + tile.begin, tile.tokens);
  positions.insert(positions.end(), block.positions.begin(),
                   block.positions.end());
  return positions;
}

void AddWindows(const BaseWeights& model, BlockPlan* block) {
  const std::vector<int64_t> keys = KeyPositions(model, *block);
  block->window_masks = MasksOf(model.config, [&](int window) {
    if (window == 0) return Tensor();
    std::vector<float> mask;
    for (const int64_t row : block->positions) {
      for (const int64_t key : keys) {
        mask.push_back(IsInWindow(row, key, window)
                           ? 0.0f
                           : -std::numeric_limits<float>::infinity());
      }
    }
    return FromFloats(mask, {block->rows, int64_t(keys.size())}, model.device())
        .repeat({model.group(), 1});
  });
}

}  // namespace

std::shared_ptr<const WritePlan> MakeWritePlan(
    const BaseWeights& model, const GistLayout& layout,
    std::span<const TrainDocument> documents) {
  const at::NoGradGuard no_grad;
  auto plan = std::make_shared<WritePlan>();
  plan->model = &model;
  for (const TrainDocument& document : documents) {
    const MaskShape shape = ShapeOf(document, layout, model.prefix_tokens);
    int64_t row = plan->rows();
    for (int i = 0; i < document.gist_tokens; ++i)
      plan->slots.push_back(SlotOf(shape, i).slot);
    for (int i = 0; i < document.gist_tokens; i += layout.gists_per_block) {
      BlockPlan block = PlanBlock(model, layout, document, shape, i);
      block.first_row = row;
      row += block.rows;
      plan->blocks.push_back(std::move(block));
    }
  }
  if (const auto kernels = KernelsFor(model, layout)) {
    plan->kernel = MakeKernelPlan(*plan, *kernels);
  } else {
    for (BlockPlan& block : plan->blocks) {
      AddRotations(model, &block);
      AddWindows(model, &block);
    }
  }
  return plan;
}

Tensor BlockAttention(const std::shared_ptr<const WritePlan>& plan, int layer,
                      const Tensor& query, const Tensor& key,
                      const Tensor& value) {
  if (plan->kernel) return KernelAttention(plan, layer, query, key, value);
  const Tensor q = query.detach(), k = key.detach(), v = value.detach();
  Tensor out = at::empty_like(q);
  std::vector<BlockMemory> memories(plan->blocks.size());
  ForEachBlock(*plan, [&](size_t i) {
    memories[i] = BlockPass(*plan, i, layer).Forward(q, k, v, &out);
  });
  if (torch::autograd::compute_requires_grad(query, key, value)) {
    auto node = MakeNode<BlockAttentionNode>();
    node->plan = plan;
    node->layer = layer;
    node->memories = std::move(memories);
    SetHistory(out, std::move(node), query, key, value);
  }
  return out;
}

}  // namespace gist
