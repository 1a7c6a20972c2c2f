// IEEE 754 binary16 and bfloat16 as bits, rounding to nearest even. NaN stays
// NaN. None of it depends on the processor's flush-to-zero mode.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace gist {

// Without a branch: a loop of these vectorizes.
inline float HalfToFloat(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000) << 16;
  const uint32_t exponent = bits & 0x7c00;
  const uint32_t magnitude = uint32_t(bits & 0x7fff) << 13;
  const uint32_t if_subnormal = -((exponent - 1) >> 31);
  const uint32_t if_special = -((exponent + 0x400) >> 15);  // infinity or NaN
  const uint32_t rebias = (112u << 23) + (if_special & 112u << 23);
  // A subnormal half gets the leading 1 of 2^-14, which is then taken away.
  const float widened =
      std::bit_cast<float>(magnitude + rebias + (if_subnormal & 1u << 23));
  const float value =
      widened - std::bit_cast<float>(if_subnormal & 0x38800000u);
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}
// Values that round beyond 65,504 (65,520 and more) become infinity.
uint16_t FloatToHalf(float value);
float Bfloat16ToFloat(uint16_t bits);
uint16_t FloatToBfloat16(float value);

// `count` little-endian numbers at `bytes`, which needs no alignment.
void HalvesToFloats(const char* bytes, size_t count, float* out);
void Bfloat16sToFloats(const char* bytes, size_t count, float* out);

// Does this processor multiply bfloat16 (AVX-512 BF16)? Without it LibTorch's
// products of bfloat16 take four times as long as those of float32.
bool MultipliesBfloat16();

}  // namespace gist
