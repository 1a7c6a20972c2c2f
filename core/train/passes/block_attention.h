// Gists looking at their blocks of documents: attention over frozen keys that
// stay half and in place, with gradients to the gists' own rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <vector>

#include "core/model/ops.h"
#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"

namespace gist {

// A part of one segment that a block of gists sees.
struct BlockTile {
  at::Tensor kv;  // half [layers, 2, kv_heads, segment tokens, head_dim]
  int64_t begin = 0;
  int64_t tokens = 0;
  int64_t segment_begin = 0;  // in the document
};

// The gists of one block: rows [first_row, first_row + rows) of the batch.
struct BlockPlan {
  std::vector<BlockTile> tiles;
  int64_t first_row = 0;
  int64_t rows = 0;
  std::vector<int64_t> positions;  // of each row, the prefix counted
  // Without a kernel:
  // [tiles + 1, 1, rows, pairs]. Keys of a segment are rotated as if it
  // were the first; scores depend on distances alone, so the query is turned
  // back by the segment's start instead. Last: the true position.
  Rotations rotations;
  at::Tensor own_mask;  // additive [group * rows, rows], within the block
  // Additive [group * rows, prefix + text + rows]; undefined: no window.
  Masks window_masks;
};

struct KernelPlan;  // kernel_attention.h

// All gists of a batch of documents.
struct WritePlan {
  const BaseWeights* model = nullptr;
  std::vector<BlockPlan> blocks;
  std::shared_ptr<const KernelPlan> kernel;  // where it runs, else null
  std::vector<int64_t> slots;                // of each row: which embedding
  int64_t rows() const { return int64_t(slots.size()); }
};

// Ranges and positions are SlotOf's. `model` outlives the plan. Products are
// cut by block and segment, small enough for a processor's cache; on a GPU a
// kernel of our own (block_kernel.cu) takes all blocks at once.
std::shared_ptr<const WritePlan> MakeWritePlan(
    const BaseWeights& model, const GistLayout& layout,
    std::span<const TrainDocument> documents);

// query [rows, heads * head_dim], key and value [rows, kv_heads * head_dim] of
// the gists at `layer`, before RoPE. A gist attends to the shared prefix, its
// block's text and the gists of its block up to itself. Returns [rows, heads *
// head_dim]; differentiable in all three. Blocks are shared out over the
// threads.
at::Tensor BlockAttention(const std::shared_ptr<const WritePlan>& plan,
                          int layer, const at::Tensor& query,
                          const at::Tensor& key, const at::Tensor& value);

}  // namespace gist
