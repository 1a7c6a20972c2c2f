// AVX2, FMA and F16C. Compiled for that processor; see kernels_body.h.
#ifdef __x86_64__
#include <immintrin.h>

#include "core/kernels/kernels.h"

namespace gist {
namespace {

using Vector = __m256;
constexpr int kLanes = 8;
constexpr int kMicroRows = 6;

inline Vector Zero() { return _mm256_setzero_ps(); }
inline Vector Set(float x) { return _mm256_set1_ps(x); }
inline Vector Load(const float* from) { return _mm256_loadu_ps(from); }
inline Vector LoadHalves(const uint16_t* from) {
  return _mm256_cvtph_ps(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline void Store(Vector x, float* to) { _mm256_storeu_ps(to, x); }
inline void StoreHalves(Vector x, uint16_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline Vector Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector Sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
inline Vector Mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
inline Vector Div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
inline Vector Max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
inline Vector Min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
inline Vector Fma(Vector a, Vector b, Vector c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline float SumOf(Vector x) {
  __m128 sum =
      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
inline Vector Round(Vector x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vector TwoTo(Vector n) {
  const __m256i exponent =
      _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
inline Vector ZeroBelow(Vector value, Vector x, Vector low) {
  return _mm256_and_ps(_mm256_cmp_ps(x, low, _CMP_GE_OQ), value);
}
inline Vector Hidden(Vector scores, const int32_t* first, const int32_t* end,
                     int key) {
  const __m256i at = _mm256_set1_epi32(key);
  const __m256i early = _mm256_cmpgt_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)), at);
  const __m256i in_time = _mm256_cmpgt_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(end)), at);
  return _mm256_blendv_ps(
      Set(-__builtin_huge_valf()), scores,
      _mm256_castsi256_ps(_mm256_andnot_si256(early, in_time)));
}
inline uint16_t HalfOf(float x) {
  return uint16_t(_mm_extract_epi16(
      _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT), 0));
}
inline float FloatOf(uint16_t x) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x)));
}

inline float MostOf(const float* x) {
  const Vector sign = Set(-0.0f);
  Vector most = Zero(), nans = Zero();
  for (int i = 0; i < 4; ++i) {
    const Vector part = Load(x + 8 * i);
    nans = _mm256_or_ps(nans, _mm256_cmp_ps(part, part, _CMP_UNORD_Q));
    most = Max(most, _mm256_andnot_ps(sign, part));
  }
  if (_mm256_movemask_ps(nans) != 0) return __builtin_nanf("");
  __m128 half =
      _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

inline int32_t RoundBlock(const float* x, float inverse, int8_t* out) {
  alignas(32) int32_t integers[kBlockColumns];
  for (int i = 0; i < 4; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(integers + 8 * i),
                       _mm256_cvtps_epi32(Mul(Load(x + 8 * i), Set(inverse))));
  }
  int32_t sum = 0;
  for (int i = 0; i < kBlockColumns; ++i) {
    sum += integers[i];
    out[i] = int8_t(integers[i]);
  }
  return sum;
}

inline __m256i LoadInts(const uint8_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
inline __m256i FourOf(const uint8_t* from) {
  int32_t four;
  __builtin_memcpy(&four, from, 4);
  return _mm256_set1_epi32(four);
}
inline float FloatAt(const uint8_t* from) {
  float value;
  __builtin_memcpy(&value, from, 4);
  return value;
}

// Rows `begin` to `begin + kRows` of a tile of `tile_rows`, times kHalves
// halves of the strip, from row 8 * half on.
template <int kRows, int kHalves, StripFormat kFormat>
inline void Part(const StripProduct& p, int begin, int tile_rows, int half) {
  constexpr bool kIsNibbles = kFormat != StripFormat::kBytes;
  constexpr bool kHasMinima = kFormat == StripFormat::kNibblesWithMinima;
  constexpr int kGroups = kBlockColumns / 4;
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  const __m256i flip = _mm256_set1_epi8(-128);
  const Vector unit = Set(p.unit);
  Vector sums[kRows][kHalves];
  for (auto& row : sums) {
    for (Vector& sum : row) sum = Zero();
  }
  const uint8_t* strip = p.strip + 32 * half;
  const uint8_t* tile = p.tile;
  for (int block = 0; block < p.blocks; ++block) {
    const uint8_t* after = tile + kBlockColumns * tile_rows + 4 * begin;
    __m256i dots[kRows][kHalves];
    for (auto& row : dots) {
      for (__m256i& dot : row) dot = _mm256_setzero_si256();
    }
    if constexpr (kIsNibbles) {
      // Sums of 16 products of 4 and 8 bits fit in 16 bits: 16 * 15 * 127.
      for (int g = 0; g < kGroups; g += 2) {
        for (int h = 0; h < kHalves; ++h) {
          const __m256i both = LoadInts(strip + 32 * g + 32 * h);
          const __m256i w[2] = {
              _mm256_and_si256(both, low),
              _mm256_and_si256(_mm256_srli_epi16(both, 4), low)};
          for (int i = 0; i < 2; ++i) {
            for (int r = 0; r < kRows; ++r) {
              const __m256i x =
                  FourOf(tile + ((g + i) * tile_rows + begin + r) * 4);
              dots[r][h] =
                  _mm256_add_epi16(dots[r][h], _mm256_maddubs_epi16(w[i], x));
            }
          }
        }
      }
      for (auto& row : dots) {
        for (__m256i& dot : row) dot = _mm256_madd_epi16(dot, ones);
      }
    } else {
      for (int g = 0; g < kGroups; ++g) {
        for (int h = 0; h < kHalves; ++h) {
          const __m256i w =
              _mm256_xor_si256(LoadInts(strip + 64 * g + 32 * h), flip);
          const __m256i magnitude = _mm256_abs_epi8(w);
          for (int r = 0; r < kRows; ++r) {
            const __m256i x = FourOf(tile + (g * tile_rows + begin + r) * 4);
            const __m256i pairs =
                _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
            dots[r][h] =
                _mm256_add_epi32(dots[r][h], _mm256_madd_epi16(pairs, ones));
          }
        }
      }
    }
    const uint8_t* scales_at = p.strip + (kIsNibbles ? 256 : 512) +
                               block * StripBlockBytes(kFormat) + 16 * half;
    for (int h = 0; h < kHalves; ++h) {
      const auto* halves =
          reinterpret_cast<const uint16_t*>(scales_at + 16 * h);
      const Vector scales = Mul(LoadHalves(halves), unit);
      Vector minima = Zero();
      if constexpr (kHasMinima) minima = Mul(LoadHalves(halves + 16), unit);
      for (int r = 0; r < kRows; ++r) {
        __m256i dot = dots[r][h];
        if constexpr (kFormat == StripFormat::kNibbles) {
          dot = _mm256_add_epi32(dot, FourOf(after + 4 * tile_rows + 4 * r));
        }
        const Vector times =
            Mul(_mm256_cvtepi32_ps(dot), Set(FloatAt(after + 4 * r)));
        sums[r][h] = Fma(times, scales, sums[r][h]);
        if constexpr (kHasMinima) {
          sums[r][h] = Fma(Set(FloatAt(after + 12 * tile_rows + 4 * r)), minima,
                           sums[r][h]);
        }
      }
    }
    strip += StripBlockBytes(kFormat);
    tile += kRowBlockBytes * tile_rows;
  }
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < kHalves; ++h) {
      Store(sums[r][h], p.y + (begin + r) * p.stride + 8 * (half + h));
    }
  }
}

template <int kRows, StripFormat kFormat>
inline void Strip(const StripProduct& p) {
  if constexpr (kRows <= 2) {
    Part<kRows, 2, kFormat>(p, 0, kRows, 0);
  } else {
    constexpr int kFirst = kRows <= 4 ? kRows : 4;
    for (int half = 0; half < 2; ++half) {
      Part<kFirst, 1, kFormat>(p, 0, kRows, half);
      if constexpr (kRows > kFirst) {
        Part<kRows - kFirst, 1, kFormat>(p, kFirst, kRows, half);
      }
    }
  }
}

#include "core/kernels/kernels_body.h"
#include "core/kernels/kernels_strip.h"

}  // namespace

extern const Kernels kAvx2Kernels = Table(InstructionSet::kAvx2);

}  // namespace gist
#endif
