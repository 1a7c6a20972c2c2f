// Gists looking at their documents, all documents of a batch in one product.
// block_attention's many small ones would take a GPU longer to start than to
// run; this form starts few, and reads padding and text of other blocks too.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "core/model/ops.h"
#include "core/train/document.h"
#include "core/train/frozen_model.h"
#include "core/trainer.h"

namespace gist {

// Documents padded to the same number of segments and gists.
struct DocumentsPlan {
  int64_t documents = 0;
  int64_t gists = 0;  // of the document with the most
  // Copied out of the pool: half [documents, segments, layers, 2 (key, value),
  // kv_heads, segment tokens, head_dim], keys rotated as if their segment were
  // the first.
  at::Tensor kv;
  Rotation segment_rotation;  // [segments, 1, head_dim / 2]: by its start
  Rotation rotation;          // [rows, 1, head_dim / 2]: of the gists
  at::Tensor padded_rows;     // [documents * gists]: which packed row
  at::Tensor packed_rows;     // [rows]: which padded row
  // Additive [documents, 1, group * gists, prefix + text + gists].
  at::Tensor mask;
};

// Ranges and positions are SlotOf's.
DocumentsPlan MakeDocumentsPlan(const FrozenModel& model,
                                const GistLayout& layout,
                                std::span<const TrainDocument> documents);

// What BlockAttention (block_attention.h) returns, and differentiable likewise.
// Keeps each layer's keys and values as float32 until the backward pass.
at::Tensor DocumentAttention(const FrozenModel& model,
                             const DocumentsPlan& plan, int layer,
                             const at::Tensor& query, const at::Tensor& key,
                             const at::Tensor& value);

}  // namespace gist
