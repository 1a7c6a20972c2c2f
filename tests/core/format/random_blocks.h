// Blocks of any tensor type, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/base/float16.h"
#include "core/format/gguf.h"

namespace gist {

// All types that are supported.
inline std::vector<GgmlType> AllGgmlTypes() {
  std::vector<GgmlType> types;
  for (uint32_t number = 0; number < 100; ++number) {
    if (const auto type = SupportedGgmlType(number)) types.push_back(*type);
  }
  return types;
}

// The blocks of `elements` elements: random bytes under scales that keep every
// value within `limit`. Both signs of scales occur.
inline std::string RandomBlocks(GgmlType type, int64_t elements, float limit,
                                std::mt19937& random) {
  const GgmlBlock block = GgmlBlockOf(type);
  std::uniform_real_distribution<float> uniform(-limit, limit);
  std::string bytes(size_t(elements / block.elements * block.bytes), '\0');
  for (int64_t at = 0; at < int64_t(bytes.size()); at += block.bytes) {
    char* data = bytes.data() + at;
    if (block.elements == 1) {
      const float value = uniform(random);
      const uint16_t half =
          type == GgmlType::kF16 ? FloatToHalf(value) : FloatToBfloat16(value);
      if (type == GgmlType::kF32) {
        std::memcpy(data, &value, sizeof(value));
      } else {
        std::memcpy(data, &half, sizeof(half));
      }
      continue;
    }
    for (int64_t i = 0; i < block.bytes; ++i) data[i] = char(random());
    const auto set_scales = [&](float scale) {
      const uint16_t half = FloatToHalf(scale);
      for (int64_t i = 0; i < block.halves; ++i)
        std::memcpy(data + block.halves_at + 2 * i, &half, sizeof(half));
    };
    set_scales(1);
    std::vector<float> values(size_t(block.elements));
    Dequantize(type, data, block.elements, values.data());
    float largest = 0;
    for (const float value : values)
      largest = std::max(largest, std::abs(value));
    set_scales(uniform(random) / std::max(largest, 1.0f));
  }
  return bytes;
}

}  // namespace gist
