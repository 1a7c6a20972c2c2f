// AVX-512 with VNNI. Compiled for that processor; see kernels_body.h.
#ifdef __x86_64__
#include <immintrin.h>

#include "core/kernels/kernels.h"

namespace gist {
namespace {

using Vector = __m512;
constexpr int kLanes = 16;
constexpr int kMicroRows = 8;

inline Vector Zero() { return _mm512_setzero_ps(); }
inline Vector Set(float x) { return _mm512_set1_ps(x); }
inline Vector Load(const float* from) { return _mm512_loadu_ps(from); }
inline Vector LoadHalves(const uint16_t* from) {
  return _mm512_cvtph_ps(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void Store(Vector x, float* to) { _mm512_storeu_ps(to, x); }
inline void StoreHalves(Vector x, uint16_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline Vector Add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector Sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
inline Vector Mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
inline Vector Div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
inline Vector Max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
inline Vector Min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
inline Vector Fma(Vector a, Vector b, Vector c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline float SumOf(Vector x) { return _mm512_reduce_add_ps(x); }
inline Vector Round(Vector x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT);
}
inline Vector TwoTo(Vector n) { return _mm512_scalef_ps(Set(1), n); }
inline Vector ZeroBelow(Vector value, Vector x, Vector low) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, low, _CMP_GE_OQ), value);
}
inline Vector Hidden(Vector scores, const int32_t* first, const int32_t* end,
                     int key) {
  const __m512i at = _mm512_set1_epi32(key);
  const __mmask16 seen =
      _mm512_cmple_epi32_mask(_mm512_loadu_si512(first), at) &
      _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(end), at);
  return _mm512_mask_mov_ps(Set(-__builtin_huge_valf()), seen, scores);
}
inline uint16_t HalfOf(float x) {
  return uint16_t(_mm_extract_epi16(
      _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT), 0));
}
inline float FloatOf(uint16_t x) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x)));
}

inline float MostOf(const float* x) {
  const Vector a = Load(x), b = Load(x + 16);
  if (_mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q) != 0) return __builtin_nanf("");
  return _mm512_reduce_max_ps(
      _mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
}

inline int32_t RoundBlock(const float* x, float inverse, int8_t* out) {
  const __m512i a = _mm512_cvtps_epi32(Mul(Load(x), Set(inverse)));
  const __m512i b = _mm512_cvtps_epi32(Mul(Load(x + 16), Set(inverse)));
  _mm_store_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtsepi32_epi8(a));
  _mm_store_si128(reinterpret_cast<__m128i*>(out + 16),
                  _mm512_cvtsepi32_epi8(b));
  return _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
}

template <int kRows, StripFormat kFormat>
inline void Strip(const StripProduct& p) {
  constexpr bool kIsNibbles = kFormat != StripFormat::kBytes;
  constexpr bool kHasMinima = kFormat == StripFormat::kNibblesWithMinima;
  constexpr int kGroups = kBlockColumns / 4;
  // Few rows would wait for one chain of sums.
  constexpr int kChains = kRows <= 2 ? 4 : kRows <= 4 ? 2 : 1;
  const __m512i low = _mm512_set1_epi8(15);
  const Vector unit = Set(p.unit);
  Vector sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = Zero();
  const uint8_t* strip = p.strip;
  const uint8_t* tile = p.tile;
  for (int block = 0; block < p.blocks; ++block) {
    const uint8_t* after = tile + kBlockColumns * kRows;
    __m512i dots[kRows][kChains];
    for (int r = 0; r < kRows; ++r) {
      for (int c = 1; c < kChains; ++c) dots[r][c] = _mm512_setzero_si512();
      if constexpr (kHasMinima) {
        dots[r][0] = _mm512_setzero_si512();
      } else {
        int32_t start;
        __builtin_memcpy(&start, after + (kIsNibbles ? 4 : 8) * kRows + 4 * r,
                         4);
        dots[r][0] = _mm512_set1_epi32(start);
      }
    }
    for (int g = 0; g < kGroups; g += 2) {
      __m512i w[2];
      if constexpr (kIsNibbles) {
        const __m512i both = _mm512_loadu_si512(strip + 32 * g);
        w[0] = _mm512_and_si512(both, low);
        w[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
      } else {
        w[0] = _mm512_loadu_si512(strip + 64 * g);
        w[1] = _mm512_loadu_si512(strip + 64 * (g + 1));
      }
      for (int i = 0; i < 2; ++i) {
        for (int r = 0; r < kRows; ++r) {
          int32_t four;
          __builtin_memcpy(&four, tile + ((g + i) * kRows + r) * 4, 4);
          __m512i& dot = dots[r][(g + i) % kChains];
          dot = _mm512_dpbusd_epi32(dot, w[i], _mm512_set1_epi32(four));
        }
      }
    }
    const uint8_t* scales_at = strip + (kIsNibbles ? 256 : 512);
    const Vector scales =
        Mul(LoadHalves(reinterpret_cast<const uint16_t*>(scales_at)), unit);
    Vector minima = Zero();
    if constexpr (kHasMinima) {
      minima = Mul(
          LoadHalves(reinterpret_cast<const uint16_t*>(scales_at + 32)), unit);
    }
    for (int r = 0; r < kRows; ++r) {
      __m512i dot = dots[r][0];
      for (int c = 1; c < kChains; ++c) dot = _mm512_add_epi32(dot, dots[r][c]);
      float scale;
      __builtin_memcpy(&scale, after + 4 * r, 4);
      sums[r] = Fma(Mul(_mm512_cvtepi32_ps(dot), Set(scale)), scales, sums[r]);
      if constexpr (kHasMinima) {
        float weighted;
        __builtin_memcpy(&weighted, after + 12 * kRows + 4 * r, 4);
        sums[r] = Fma(Set(weighted), minima, sums[r]);
      }
    }
    strip += StripBlockBytes(kFormat);
    tile += kRowBlockBytes * kRows;
  }
  for (int r = 0; r < kRows; ++r) {
    Store(sums[r], p.y + r * p.stride);
  }
}

#include "core/kernels/kernels_body.h"
#include "core/kernels/kernels_strip.h"

}  // namespace

extern const Kernels kAvx512Kernels = Table(InstructionSet::kAvx512);

}  // namespace gist
#endif
