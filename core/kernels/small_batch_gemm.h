// A matrix product for decoding: few rows, and a matrix that is read once.
#pragma once

#include <cstdint>

namespace gist {

// Products of more rows are left to LibTorch, which reuses the matrix in cache.
inline constexpr int64_t kFewRows = 48;
inline constexpr int64_t kFewRowsLanes = 8;  // `in` is a multiple of these

// Columns `begin` to `end` of y = x W^T, added up in float32: x [rows, in];
// w [out, in], float32 or bfloat16's bits; y [rows, out]. Each value is added
// up in one order: a row's results depend neither on the other rows nor on how
// the columns are shared out. Takes AVX2 and FMA where the processor has them.
void SmallBatchGemm(const float* x, int64_t rows, const float* w, int64_t in,
                    int64_t begin, int64_t end, float* y, int64_t out);
void SmallBatchGemm(const float* x, int64_t rows, const uint16_t* w, int64_t in,
                    int64_t begin, int64_t end, float* y, int64_t out);

}  // namespace gist
