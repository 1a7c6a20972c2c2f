// The scalar kernels, and the choice among all.
#include "core/kernels/kernels.h"

#include <cmath>
#include <cstring>

#include "core/base/float16.h"

namespace gist {
namespace {

using Vector = float;
constexpr int kLanes = 1;
constexpr int kMicroRows = 4;

inline Vector Zero() { return 0; }
inline Vector Set(float x) { return x; }
inline Vector Load(const float* from) { return *from; }
inline uint16_t HalfOf(float x) { return FloatToHalf(x); }
inline float FloatOf(uint16_t x) { return HalfToFloat(x); }
inline Vector LoadHalves(const uint16_t* from) { return FloatOf(*from); }
inline void Store(Vector x, float* to) { *to = x; }
inline void StoreHalves(Vector x, uint16_t* to) { *to = HalfOf(x); }
inline Vector Add(Vector a, Vector b) { return a + b; }
inline Vector Sub(Vector a, Vector b) { return a - b; }
inline Vector Mul(Vector a, Vector b) { return a * b; }
inline Vector Div(Vector a, Vector b) { return a / b; }
inline Vector Max(Vector a, Vector b) { return a > b ? a : b; }
inline Vector Min(Vector a, Vector b) { return a < b ? a : b; }
inline Vector Fma(Vector a, Vector b, Vector c) { return std::fma(a, b, c); }
inline float SumOf(Vector x) { return x; }
inline Vector Round(Vector x) { return std::nearbyint(x); }
inline Vector TwoTo(Vector n) { return std::ldexp(1.0f, int(n)); }
inline Vector ZeroBelow(Vector value, Vector x, Vector low) {
  return x >= low ? value : 0;
}
inline Vector Hidden(Vector score, const int32_t* first, const int32_t* end,
                     int key) {
  return key >= *first && key < *end ? score : -HUGE_VALF;
}

inline float MostOf(const float* x) {
  float most = 0;
  for (int i = 0; i < kBlockColumns; ++i) {
    if (std::isnan(x[i])) return x[i];
    most = Max(most, std::fabs(x[i]));
  }
  return most;
}

inline int32_t RoundBlock(const float* x, float inverse, int8_t* out) {
  int32_t sum = 0;
  for (int i = 0; i < kBlockColumns; ++i) {
    out[i] = int8_t(std::nearbyint(x[i] * inverse));
    sum += out[i];
  }
  return sum;
}

template <typename T>
T At(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// Element (row, column) of a block of a strip.
int IntegerAt(const StripProduct& p, const uint8_t* block, int row,
              int column) {
  const int group = column / 4, within = 4 * row + column % 4;
  if (p.format == StripFormat::kBytes) return block[64 * group + within] - 128;
  const int both = block[64 * (group / 2) + within];
  const int value = group % 2 == 0 ? both & 15 : both >> 4;
  return p.format == StripFormat::kNibbles ? value - 8 : value;
}

void MultiplyStrip(const StripProduct& p) {
  const int64_t block_bytes = StripBlockBytes(p.format);
  const int integers = p.format == StripFormat::kBytes ? 512 : 256;
  for (int r = 0; r < p.rows; ++r) {
    for (int out = 0; out < kStripRows; ++out) {
      float sum = 0;
      for (int b = 0; b < p.blocks; ++b) {
        const uint8_t* block = p.strip + b * block_bytes;
        const uint8_t* tile = p.tile + b * kRowBlockBytes * p.rows;
        const uint8_t* after = tile + kBlockColumns * p.rows + 4 * r;
        int32_t dot = 0;
        for (int i = 0; i < kBlockColumns; ++i) {
          dot += IntegerAt(p, block, out, i) *
                 int8_t(tile[(i / 4 * p.rows + r) * 4 + i % 4]);
        }
        const uint8_t* scale = block + integers + 2 * out;
        sum = Fma(float(dot) * At<float>(after),
                  FloatOf(At<uint16_t>(scale)) * p.unit, sum);
        if (p.format == StripFormat::kNibblesWithMinima) {
          sum = Fma(At<float>(after + 12 * p.rows),
                    FloatOf(At<uint16_t>(scale + 32)) * p.unit, sum);
        }
      }
      p.y[r * p.stride + out] = sum;
    }
  }
}

#include "core/kernels/kernels_body.h"

constexpr Kernels kScalarKernels = Table(InstructionSet::kScalar);

const Kernels* best = nullptr;

}  // namespace

#ifdef __x86_64__
extern const Kernels kAvx2Kernels, kAvx512Kernels;
#endif

const Kernels& KernelsOf(InstructionSet set) {
#ifdef __x86_64__
  if (set == InstructionSet::kAvx2) return kAvx2Kernels;
  if (set == InstructionSet::kAvx512) return kAvx512Kernels;
#endif
  return kScalarKernels;
}

void ForceInstructionSet(InstructionSet set) { best = &KernelsOf(set); }

const Kernels& BestKernels() {
  if (best == nullptr) ForceInstructionSet(InstructionSets().back());
  return *best;
}

size_t AttentionScratch(int head_dim) {
  return size_t(head_dim) * (2 * kMostQueries + 2 * kKeyTile) +
         size_t(kKeyTile) * kMostQueries + 2 * kMostQueries;
}

}  // namespace gist
