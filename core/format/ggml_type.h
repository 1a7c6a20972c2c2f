// How GGML lays out numbers: in blocks, each of so many elements and bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gist {

// GGML's numbers for the types that are supported here.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ8_0 = 8
};

inline constexpr std::string_view kSupportedGgmlTypes =
    "F32, F16, Q4_0, Q4_1, Q8_0";

// "F32", "Q4_1"; for others, GGML's name where it is known, else "type 99".
std::string GgmlTypeName(uint32_t type);

// No value if the type is not supported.
std::optional<GgmlType> SupportedGgmlType(uint32_t type);

struct GgmlBlock {
  int64_t elements;
  int64_t bytes;
};
GgmlBlock GgmlBlockOf(GgmlType type);

}  // namespace gist
