#include "core/model/gist_rows.h"

#include <limits>

namespace gist {
namespace {

// Additive [gists, prefix + context + gists]. `positions`: of the gists.
at::Tensor GistMask(const MaskShape& shape,
                    const std::vector<int64_t>& positions, int window,
                    at::Device device) {
  const int before = shape.gist_begin(), end = shape.gist_end();
  std::vector<float> mask;
  for (int i = 0; i < shape.gist_tokens; ++i) {
    for (int key = 0; key < end; ++key) {
      const int64_t at =
          key < before ? key : positions[size_t(key) - size_t(before)];
      const bool sees = MayAttend(shape, before + i, key) &&
                        IsInWindow(positions[size_t(i)], at, window);
      mask.push_back(sees ? 0.0f : -std::numeric_limits<float>::infinity());
    }
  }
  return FromFloats(mask, {shape.gist_tokens, end}, device);
}

}  // namespace

GistRows MakeGistRows(const MaskShape& shape, const DecoderWeights& model) {
  const at::Device device = model.device();
  std::vector<int64_t> slots, positions;
  for (int i = 0; i < shape.gist_tokens; ++i) {
    const GistSlot slot = SlotOf(shape, i);
    slots.push_back(slot.slot);
    positions.push_back(shape.prefix_tokens + slot.position);
  }
  return {.slots = FromIds(slots, device),
          .rotations = RotationsAt(FromIds(positions, device), model),
          .masks = MasksOf(model.config, [&](int window) {
            return GroupMask(GistMask(shape, positions, window, device),
                             model.config);
          })};
}

}  // namespace gist
