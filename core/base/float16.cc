#include "core/base/float16.h"

#include <bit>
#include <cstring>

namespace gist {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kSignBit = 0x80000000;
constexpr uint32_t kInfinity = 0x7f800000;
constexpr uint32_t kHalfMin = 0x38800000;       // 2^-14, the least normal half
constexpr uint32_t kHalfOverflow = 0x477ff000;  // 65,520 rounds to 2^16

inline float WidenBfloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

template <float (*kWiden)(uint16_t)>
void WidenAll(const char* bytes, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
    out[i] = kWiden(bits);
  }
}

}  // namespace

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = uint16_t((bits & kSignBit) >> 16);
  const uint32_t magnitude = bits & ~kSignBit;
  if (magnitude > kInfinity) return sign | 0x7e00 | ((magnitude >> 13) & 0x3ff);
  if (magnitude >= kHalfOverflow) return sign | 0x7c00;
  if (magnitude < kHalfMin) {
    // Next to 0.5 a float counts in steps of 2^-24, as subnormal halves do: the
    // addition rounds.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | uint16_t(std::bit_cast<uint32_t>(rounded) - 0x3f000000);
  }
  const uint32_t to_even = 0xfff + ((magnitude >> 13) & 1);
  return sign | uint16_t((magnitude - (112u << 23) + to_even) >> 13);
}

float Bfloat16ToFloat(uint16_t bits) { return WidenBfloat16(bits); }

uint16_t FloatToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & ~kSignBit) > kInfinity) return uint16_t(bits >> 16) | 0x40;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

bool MultipliesBfloat16() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

void HalvesToFloats(const char* bytes, size_t count, float* out) {
  WidenAll<HalfToFloat>(bytes, count, out);
}

void Bfloat16sToFloats(const char* bytes, size_t count, float* out) {
  WidenAll<WidenBfloat16>(bytes, count, out);
}

}  // namespace gist
