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
  switch (GgmlType(type)) {
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kQ4_0:
    case GgmlType::kQ4_1:
    case GgmlType::kQ8_0:
      return GgmlType(type);
  }
  return std::nullopt;
}

GgmlBlock GgmlBlockOf(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return {1, 4};
    case GgmlType::kF16:
      return {1, 2};
    case GgmlType::kQ4_0:
      return {32, 2 + 16};  // scale, 32 nibbles
    case GgmlType::kQ4_1:
      return {32, 2 + 2 + 16};  // scale, minimum, 32 nibbles
    case GgmlType::kQ8_0:
      return {32, 2 + 32};  // scale, 32 signed bytes
  }
  return {1, 0};
}

}  // namespace gist
