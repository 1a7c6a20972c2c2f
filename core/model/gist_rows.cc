#include "core/model/gist_rows.h"

#include <limits>

namespace gist {

GistRows MakeGistRows(const MaskShape& shape, const ModelConfig& config,
                      const at::Tensor& frequencies) {
  const at::Device device = frequencies.device();
  const int before = shape.gist_begin(), end = shape.gist_end();
  std::vector<int64_t> slots, positions;
  std::vector<float> mask;
  for (int i = 0; i < shape.gist_tokens; ++i) {
    const GistSlot slot = SlotOf(shape, i);
    slots.push_back(slot.slot);
    positions.push_back(shape.prefix_tokens + slot.position);
    for (int key = 0; key < end; ++key) {
      mask.push_back(MayAttend(shape, before + i, key)
                         ? 0.0f
                         : -std::numeric_limits<float>::infinity());
    }
  }
  return {.slots = FromIds(slots, device),
          .rotation = RotationAt(FromIds(positions, device), frequencies),
          .mask = GroupMask(FromFloats(mask, {shape.gist_tokens, end}, device),
                            config)};
}

}  // namespace gist
