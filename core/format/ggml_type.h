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
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30
};

inline constexpr std::string_view kSupportedGgmlTypes =
    "F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, "
    "IQ4_NL, IQ4_XS, BF16";

// "F32", "Q4_1"; for others, GGML's name where it is known, else "type 99".
std::string GgmlTypeName(uint32_t type);

// No value if the type is not supported.
std::optional<GgmlType> SupportedGgmlType(uint32_t type);

struct GgmlBlock {
  int64_t elements;
  int64_t bytes;
  // The block's float16 numbers, one behind the other: a scale, or a scale and
  // a minimum. All other bytes are integers. Of F32 and BF16: none.
  int64_t halves_at = 0;
  int64_t halves = 0;
};
// {0, 0} for a number that is none of GgmlType's.
GgmlBlock GgmlBlockOf(GgmlType type);

}  // namespace gist
