// How a base model's matrices lie in memory.
#pragma once

#include <optional>
#include <string_view>

namespace gist {

enum class WeightStorage {
  kFloat32,   // dequantized when they are loaded
  kBfloat16,  // likewise, at half the size. Products are in bfloat16: faster
              // where HasFastBfloat16 (core/model/device.h), and no longer
              // exact
  kQuantized,  // as in the mapped file, one matrix at a time dequantized on
               // use: the same results as float32, less memory, more time
};

inline constexpr std::string_view kWeightStorageHelp =
    "float32; bfloat16: half the memory, faster on AVX-512 BF16, less exact; "
    "or "
    "quantized: as stored, the least memory, slower";

// "float32", "bfloat16" or "quantized"; nothing for another name.
inline std::optional<WeightStorage> ParseWeightStorage(std::string_view name) {
  if (name == "float32") return WeightStorage::kFloat32;
  if (name == "bfloat16") return WeightStorage::kBfloat16;
  if (name == "quantized") return WeightStorage::kQuantized;
  return std::nullopt;
}

}  // namespace gist
