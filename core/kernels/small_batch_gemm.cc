#include "core/kernels/small_batch_gemm.h"

namespace gist {
namespace {

// The compiler makes of these what each clone's instructions offer.
typedef float Lanes __attribute__((vector_size(32)));
typedef uint16_t Halves __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(32)));
typedef Lanes AnyLanes __attribute__((aligned(4), may_alias));
typedef Halves AnyHalves __attribute__((aligned(2), may_alias));
static_assert(sizeof(Lanes) == kFewRowsLanes * sizeof(float));

#define GIST_INLINE inline __attribute__((always_inline))

GIST_INLINE Lanes Load(const float* from) {
  return *reinterpret_cast<const AnyLanes*>(from);
}
// A bfloat16 is the upper half of a float32.
GIST_INLINE Lanes Load(const uint16_t* from) {
  const Halves halves = *reinterpret_cast<const AnyHalves*>(from);
  return (Lanes)(__builtin_convertvector(halves, Words) << 16);
}

GIST_INLINE float Sum(Lanes x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

// X rows of x times W rows of w, whose sums stay in registers. The next W rows
// are asked for meanwhile: a row is over before the processor sees a pattern.
template <int X, int W, typename T>
GIST_INLINE void Tile(const float* x, const T* w, int64_t in, float* y,
                      int64_t out) {
  Lanes sums[X][W];
  for (int a = 0; a < X; ++a)
    for (int b = 0; b < W; ++b) sums[a][b] = Lanes{};
  for (int64_t i = 0; i < in; i += kFewRowsLanes) {
    Lanes ws[W];
    for (int b = 0; b < W; ++b) {
      ws[b] = Load(w + b * in + i);
      __builtin_prefetch(w + (b + W) * in + i);
    }
    for (int a = 0; a < X; ++a) {
      const Lanes xs = Load(x + a * in + i);
      for (int b = 0; b < W; ++b) sums[a][b] += xs * ws[b];
    }
  }
  for (int a = 0; a < X; ++a)
    for (int b = 0; b < W; ++b) y[a * out + b] = Sum(sums[a][b]);
}

template <int W, typename T>
GIST_INLINE void AllRows(const float* x, int64_t rows, const T* w, int64_t in,
                         float* y, int64_t out) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) Tile<4, W>(x + i * in, w, in, y + i * out, out);
  for (; i + 2 <= rows; i += 2) Tile<2, W>(x + i * in, w, in, y + i * out, out);
  for (; i < rows; ++i) Tile<1, W>(x + i * in, w, in, y + i * out, out);
}

template <typename T>
GIST_INLINE void Columns(const float* x, int64_t rows, const T* w, int64_t in,
                         int64_t begin, int64_t end, float* y, int64_t out) {
  constexpr int kAtOnce = 3;  // 12 sums, 3 of w and 1 of x: 16 registers
  int64_t i = begin;
  for (; i + kAtOnce <= end; i += kAtOnce)
    AllRows<kAtOnce>(x, rows, w + i * in, in, y + i, out);
  for (; i < end; ++i) AllRows<1>(x, rows, w + i * in, in, y + i, out);
}

}  // namespace

#if defined(__x86_64__) && !defined(__clang__)
#define GIST_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define GIST_CLONES
#endif

GIST_CLONES void SmallBatchGemm(const float* x, int64_t rows, const float* w,
                                int64_t in, int64_t begin, int64_t end,
                                float* y, int64_t out) {
  Columns(x, rows, w, in, begin, end, y, out);
}
GIST_CLONES void SmallBatchGemm(const float* x, int64_t rows, const uint16_t* w,
                                int64_t in, int64_t begin, int64_t end,
                                float* y, int64_t out) {
  Columns(x, rows, w, in, begin, end, y, out);
}

}  // namespace gist
