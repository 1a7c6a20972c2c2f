// What a pass over gist tokens needs. For this folder and core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/gist/mask.h"
#include "core/model/ops.h"

namespace gist {

struct GistRows {
  at::Tensor slots;   // int64 [gists]: which embedding
  Rotation rotation;  // at their positions
  at::Tensor mask;    // of GroupMask, over prefix, context and gists
};

// The gists of `shape`, as MayAttend and SlotOf say.
GistRows MakeGistRows(const MaskShape& shape, const ModelConfig& config,
                      const at::Tensor& frequencies);

}  // namespace gist
