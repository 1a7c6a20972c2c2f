// What a pass over gist tokens needs. For this folder and core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/gist/mask.h"
#include "core/model/ops.h"

namespace gist {

struct GistRows {
  at::Tensor slots;     // int64 [gists]: which embedding
  Rotations rotations;  // at their positions
  Masks masks;          // of GroupMask, over prefix, context and gists
};

// The gists of `shape`, as MayAttend, SlotOf and the layers' windows say.
// Prefix and context stand at their true positions, and so does a gist.
GistRows MakeGistRows(const MaskShape& shape, const DecoderWeights& model);

}  // namespace gist
