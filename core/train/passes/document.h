// What the gist pass is trained on: a document as a list of read segments.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "core/gist/mask.h"
#include "core/train/trainer.h"

namespace gist {

// A document of `tokens` tokens. Nothing is copied: segment s, of the pool,
// holds tokens s * segment_tokens and on; of the last one only the start may
// count.
struct TrainDocument {
  // Each half [layers, 2, kv_heads, segment tokens, head_dim], keys rotated to
  // the positions right after the shared prefix.
  std::vector<at::Tensor> segments = {};
  int tokens = 0;
  std::vector<int32_t> ids;  // the `tokens` of them
  int gist_tokens = 0;       // to be written
};

// Who attends to whom when `document` is written as `layout` has it.
inline MaskShape ShapeOf(const TrainDocument& document,
                         const GistLayout& layout, int prefix_tokens) {
  return {.context_tokens = document.tokens,
          .gist_tokens = document.gist_tokens,
          .prefix_tokens = prefix_tokens,
          .gists_per_block = layout.gists_per_block,
          .block_overlap_tokens = layout.block_overlap_tokens,
          .segment_tokens = layout.segment_tokens};
}

}  // namespace gist
