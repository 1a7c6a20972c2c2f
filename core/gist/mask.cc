#include "core/gist/mask.h"

#include <algorithm>
#include <limits>

namespace gist {

GistSlot SlotOf(const MaskShape& shape, int index) {
  const int per_block =
      shape.gists_per_block > 0 ? shape.gists_per_block : shape.gist_tokens;
  const long gists = shape.gist_tokens;
  const long context = shape.context_tokens;
  GistSlot gist;
  gist.block = index / per_block;
  gist.slot = index % per_block;
  const long first = long(gist.block) * per_block;
  const long end = std::min(first + per_block, gists);
  gist.context_begin =
      std::max(0, int(context * first / gists) - shape.block_overlap_tokens);
  gist.context_end = int(context * end / gists);
  gist.position = gist.context_end + gist.slot;
  return gist;
}

bool MayAttend(const MaskShape& shape, int query, int key) {
  if (key > query) return false;
  if (key < shape.prefix_tokens) return true;
  const bool key_is_context = key < shape.gist_begin();
  if (query < shape.gist_begin()) {
    if (shape.segment_tokens == 0) return true;
    return (key - shape.prefix_tokens) / shape.segment_tokens ==
           (query - shape.prefix_tokens) / shape.segment_tokens;
  }
  if (query >= shape.gist_end()) return !key_is_context;
  const GistSlot gist = SlotOf(shape, query - shape.gist_begin());
  if (key_is_context) {
    const int token = key - shape.prefix_tokens;
    return token >= gist.context_begin && token < gist.context_end;
  }
  return SlotOf(shape, key - shape.gist_begin()).block == gist.block;
}

std::vector<float> AttentionMask(const MaskShape& shape) {
  const int total = shape.total();
  std::vector<float> mask(size_t(total) * size_t(total));
  for (int query = 0; query < total; ++query) {
    for (int key = 0; key < total; ++key) {
      mask[size_t(query) * size_t(total) + size_t(key)] =
          MayAttend(shape, query, key)
              ? 0.0f
              : -std::numeric_limits<float>::infinity();
    }
  }
  return mask;
}

}  // namespace gist
