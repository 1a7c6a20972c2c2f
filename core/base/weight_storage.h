// How a base model's matrices lie in memory.
#pragma once

#include <optional>
#include <string_view>

namespace gist {

enum class WeightStorage {
  kFloat32,    // dequantized when they are loaded
  kBfloat16,   // likewise, at half the size. Products are in bfloat16: faster
               // where HasFastBfloat16 (core/model/device.h), and no longer
               // exact
  kQuantized,  // in fewer bits. On a CPU packed in 4 or 8 (core/kernels), with
               // activations in 8: the fastest and the smallest. On a GPU as in
               // the mapped file, one matrix at a time dequantized on use
};

inline constexpr std::string_view kWeightStorageHelp =
    "quantized: 4 or 8 bits, the least memory, the fastest on a CPU; float32: "
    "the reference; bfloat16: half of its memory, less exact; auto: quantized "
    "on a CPU, float32 on a GPU";

// "float32", "bfloat16" or "quantized"; nothing for another name.
inline std::optional<WeightStorage> ParseWeightStorage(std::string_view name) {
  if (name == "float32") return WeightStorage::kFloat32;
  if (name == "bfloat16") return WeightStorage::kBfloat16;
  if (name == "quantized") return WeightStorage::kQuantized;
  return std::nullopt;
}

// The same, and "auto": kQuantized for the device "cpu", else kFloat32.
inline std::optional<WeightStorage> ChooseWeightStorage(
    std::string_view name, std::string_view device) {
  if (name != "auto") return ParseWeightStorage(name);
  return device == "cpu" ? WeightStorage::kQuantized : WeightStorage::kFloat32;
}

}  // namespace gist
