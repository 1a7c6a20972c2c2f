// Arithmetic of a decoder on a CPU, over plain arrays, for each instruction
// set.
//
// A product is y = x W^T. W's rows are packed in strips (packed_matrix.h) in 4
// or 8 bits; x's rows are quantized to 8 bits, in tiles of up to kTileRows
// rows. Sums within a block of 32 columns are integers, and blocks are added in
// order in float32. So a row's result is the same bits in every instruction
// set, whatever rows stand beside it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/kernels/instruction_set.h"

namespace gist {

inline constexpr int kBlockColumns = 32;
inline constexpr int kStripRows = 16;  // rows of W side by side
inline constexpr int kTileRows = 8;    // rows of x side by side
// A quantized block of one row of x: 32 integers, the scale, the sum of the
// integers times -8 and times -128, and their sum times the scale.
inline constexpr int kRowBlockBytes = kBlockColumns + 4 * 4;

// How a block of 32 columns of a strip lies in memory: the integers, then 16
// scales, then 16 minima, both float16. Integer i of row r is in group i / 4 at
// byte 4 r + i % 4. A group has 64 bytes; of nibbles two groups share them, the
// even one in the low half.
enum class StripFormat {
  kNibbles,            // w = scale * (q - 8)
  kNibblesWithMinima,  // w = scale * q + minimum
  kBytes,              // w = scale * (q - 128)
};
constexpr int64_t StripBlockBytes(StripFormat format) {
  switch (format) {
    case StripFormat::kNibbles:
      return 256 + 32;
    case StripFormat::kNibblesWithMinima:
      return 256 + 64;
    case StripFormat::kBytes:
      return 512 + 32;
  }
  return 0;
}

// One strip of W times one tile of x.
struct StripProduct {
  const uint8_t* strip = nullptr;
  StripFormat format = StripFormat::kBytes;
  float unit = 1;                 // scales and minima are in this unit
  int blocks = 0;                 // of 32 columns
  const uint8_t* tile = nullptr;  // see Kernels::quantize_row
  int rows = 0;                   // of the tile, 1 to kTileRows
  float* y = nullptr;             // [rows, kStripRows], rows `stride` apart
  int64_t stride = 0;
};

enum class KernelActivation { kSilu, kGeluTanh };

// A run of keys and values of one KV head, as float16 [count, head_dim].
struct KeyRun {
  const uint16_t* keys = nullptr;
  const uint16_t* values = nullptr;
  int count = 0;
  // Turns keys by RoPE while they are read: cosines and sines [count, pairs].
  // Null: they are turned already.
  const float* cosines = nullptr;
  const float* sines = nullptr;
  int pairs = 0;
  // Query q sees the keys first[q] to end[q] of this run. Null: all.
  const int32_t* first = nullptr;
  const int32_t* end = nullptr;
};

// Softmax attention of queries over the keys of one KV head.
struct HeadAttention {
  const float* queries = nullptr;  // query q at queries + offsets[q]
  float* out = nullptr;            // likewise, [head_dim] each
  const int64_t* query_offsets = nullptr;
  const int64_t* out_offsets = nullptr;
  int query_count = 0;  // 1 to kMostQueries
  int head_dim = 0;
  float scale = 1;  // of scores
  const KeyRun* runs = nullptr;
  int run_count = 0;
  float* scratch = nullptr;  // AttentionScratch(head_dim) floats, 64-aligned
};
inline constexpr int kMostQueries = 96;
size_t AttentionScratch(int head_dim);

// One instruction set's kernels. Vectors may lie anywhere.
struct Kernels {
  InstructionSet set;
  // Row `row` of a tile of `rows` from x[columns], padded with zeros to whole
  // blocks. A tile takes rows * blocks * kRowBlockBytes bytes.
  void (*quantize_row)(const float* x, int columns, int rows, int row,
                       uint8_t* tile);
  void (*multiply)(const StripProduct& product);
  // out = x / sqrt(mean(x^2) + epsilon) * weight.
  void (*rms_norm)(const float* x, const float* weight, int size, float epsilon,
                   float* out);
  // gate = activation(gate) * up.
  void (*activate)(KernelActivation activation, const float* up, int size,
                   float* gate);
  // y += scale * x.
  void (*add_scaled)(const float* x, float scale, int size, float* y);
  float (*dot)(const float* a, const float* b, int size);
  // The same with float16 in place of one operand.
  void (*add_scaled_halves)(const uint16_t* x, float scale, int size, float* y);
  float (*dot_halves)(const uint16_t* a, const float* b, int size);
  void (*to_halves)(const float* x, int size, uint16_t* out);
  void (*to_floats)(const uint16_t* x, int size, float* out);
  void (*attend)(const HeadAttention& attention);
};

const Kernels& KernelsOf(InstructionSet set);
// The best of this processor, or the one that ForceInstructionSet named.
const Kernels& BestKernels();
// For tests and comparisons. Call it before the first pass.
void ForceInstructionSet(InstructionSet set);

}  // namespace gist
