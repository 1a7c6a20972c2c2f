// Gists looking at their blocks of documents: attention over frozen keys that
// stay half and in place, with gradients to the gists' own rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/model/ops.h"
#include "core/train/document_attention.h"

namespace gist {

// A part of one segment that a block of gists sees.
struct BlockTile {
  at::Tensor kv;  // half [layers, 2, kv_heads, segment tokens, head_dim]
  int64_t begin = 0;
  int64_t tokens = 0;
};

// The gists of one block: rows [first_row, first_row + rows) of the batch.
struct BlockPlan {
  std::vector<BlockTile> tiles;
  int64_t first_row = 0;
  int64_t rows = 0;
  // [tiles + 1, 1, rows, head_dim / 2]. Keys of a segment are rotated as if it
  // were the first; scores depend on distances alone, so the query is turned
  // back by the segment's start instead. Last: the true position.
  Rotation rotation;
  at::Tensor own_mask;  // additive [group * rows, rows], within the block
};

// All gists of a batch of documents.
struct WritePlan {
  const FrozenModel* model = nullptr;
  std::vector<BlockPlan> blocks;           // of WriteForm::kBlocks
  std::optional<DocumentsPlan> documents;  // of WriteForm::kDocuments
  std::vector<int64_t> slots;              // of each row: which embedding
  int64_t rows() const { return int64_t(slots.size()); }
};

// How the products of a batch are cut: by block and segment, small enough for a
// processor's cache, or as one, which is what fills a GPU.
enum class WriteForm { kBlocks, kDocuments };
WriteForm FormFor(at::Device device);

// Ranges and positions are SlotOf's. `model` outlives the plan.
std::shared_ptr<const WritePlan> MakeWritePlan(
    const FrozenModel& model, const GistLayout& layout,
    std::span<const TrainDocument> documents, WriteForm form);
// By the form for the model's device.
std::shared_ptr<const WritePlan> MakeWritePlan(
    const FrozenModel& model, const GistLayout& layout,
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
