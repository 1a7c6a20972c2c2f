// Small keys and values for tests.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "core/compress/compressed_kv.h"

namespace gist {

inline std::string FloatBytes(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()),
          numbers.size() * sizeof(float)};
}

// Two layers of two heads with 1, 3, 2 and 1 slots of four numbers, positions
// and biases, in kF32; every number is exact in F16.
inline CompressedKv RaggedKv() {
  CompressedKv kv{.layers = 2,
                  .kv_heads = 2,
                  .head_dim = 4,
                  .storage = KvStorage::kF32,
                  .first_slot = {0, 1, 4, 6, 7},
                  .positions = {5, 0, 2, 9, 1, 3, 8},
                  .bias = {0, 0.5f, -1, 0, 0.25f, 0, 2}};
  std::vector<float> keys, values;
  for (int i = 0; i < 7 * 4; ++i) {
    keys.push_back(float(i) * 0.25f - 3);
    values.push_back(2 - float(i) * 0.5f);
  }
  kv.keys = FloatBytes(keys);
  kv.values = FloatBytes(values);
  return kv;
}

}  // namespace gist
