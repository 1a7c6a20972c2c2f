#include "core/format/ggml_type.h"

#include <array>
#include <cstddef>

#include "fmt/format.h"

namespace gist {
namespace {

// By GGML's number; "" where the number was never given or was withdrawn.
// Source: enum ggml_type, github.com/ggml-org/ggml/blob/master/include/ggml.h.
constexpr auto kNames = std::to_array<std::string_view>(
    {"F32",   "F16",   "Q4_0",    "Q4_1",   "",        "",      "Q5_0",
     "Q5_1",  "Q8_0",  "Q8_1",    "Q2_K",   "Q3_K",    "Q4_K",  "Q5_K",
     "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL",
     "IQ3_S", "IQ2_S", "IQ4_XS",  "I8",     "I16",     "I32",   "I64",
     "F64",   "IQ1_M", "BF16",    "",       "",        "",      "TQ1_0",
     "TQ2_0", "",      "",        "",       "MXFP4",   "NVFP4", "Q1_0"});

}  // namespace

std::string GgmlTypeName(uint32_t type) {
  if (type < kNames.size() && !kNames[type].empty())
    return std::string(kNames[type]);
  return fmt::format("type {}", type);
}

std::optional<GgmlType> SupportedGgmlType(uint32_t type) {
  if (GgmlBlockOf(GgmlType(type)).elements == 0) return std::nullopt;
  return GgmlType(type);
}

// Source of the layouts: github.com/ggml-org/ggml, src/ggml-common.h.
GgmlBlock GgmlBlockOf(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return {1, 4};
    case GgmlType::kF16:
      return {1, 2, 0, 1};
    case GgmlType::kBF16:
      return {1, 2};
    case GgmlType::kQ4_0:
    case GgmlType::kIQ4_NL:
      return {32, 2 + 16, 0, 1};  // scale, nibbles
    case GgmlType::kQ4_1:
      return {32, 2 + 2 + 16, 0, 2};  // scale, minimum, nibbles
    case GgmlType::kQ5_0:
      return {32, 2 + 4 + 16, 0, 1};  // scale, fifth bits, nibbles
    case GgmlType::kQ5_1:
      return {32, 2 + 2 + 4 + 16, 0, 2};
    case GgmlType::kQ8_0:
      return {32, 2 + 32, 0, 1};  // scale, signed bytes
    case GgmlType::kQ2_K:
      return {256, 16 + 64 + 2 + 2, 80, 2};  // 4-bit scales, quants
    case GgmlType::kQ3_K:
      return {256, 32 + 64 + 12 + 2, 108, 1};  // third bits, quants, scales
    case GgmlType::kQ4_K:
      return {256, 2 + 2 + 12 + 128, 0, 2};  // 6-bit scales, nibbles
    case GgmlType::kQ5_K:
      return {256, 2 + 2 + 12 + 32 + 128, 0, 2};  // the same, fifth bits
    case GgmlType::kQ6_K:
      return {256, 128 + 64 + 16 + 2, 208, 1};  // low and high bits, scales
    case GgmlType::kIQ4_XS:
      return {256, 2 + 2 + 4 + 128, 0,
              1};  // scales' high and low bits, nibbles
  }
  return {0, 0};
}

}  // namespace gist
