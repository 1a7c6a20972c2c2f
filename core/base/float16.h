// IEEE 754 binary16 and bfloat16 as bits, rounding to nearest even. NaN stays
// NaN. None of it depends on the processor's flush-to-zero mode.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gist {

float HalfToFloat(uint16_t bits);
// Values that round beyond 65,504 (65,520 and more) become infinity.
uint16_t FloatToHalf(float value);
float Bfloat16ToFloat(uint16_t bits);
uint16_t FloatToBfloat16(float value);

// `count` little-endian numbers at `bytes`, which needs no alignment.
void HalvesToFloats(const char* bytes, size_t count, float* out);
void Bfloat16sToFloats(const char* bytes, size_t count, float* out);

}  // namespace gist
