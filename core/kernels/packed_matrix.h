// A constant matrix in 4 or 8 bits, laid out for the kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/format/gguf.h"
#include "core/kernels/kernels.h"
#include "core/kernels/thread_team.h"

namespace gist {

// Q4_0, Q4_1, Q4_K and Q8_0 keep their integers; of Q4_K, scales and minima are
// rounded to float16. Any other type is rounded to 8 bits with a scale for each
// 32 columns: at most 1/254 of the greatest magnitude there. Thread-safe.
class PackedMatrix {
 public:
  // `tensor`: two dims, finite, rows of whole blocks. `interleaved_head_rows`:
  // rows of a head if they are stored for interleaved RoPE; they are then
  // packed in halves. Else 0.
  PackedMatrix(const GgufTensor& tensor, int interleaved_head_rows,
               ThreadTeam& team);
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t bytes() const { return int64_t(bytes_.size()); }

  // Row `row` as float32 [columns].
  void DequantizeRow(int64_t row, float* out) const;

  int strips() const { return int((rows_ + kStripRows - 1) / kStripRows); }
  int blocks() const {
    return int((columns_ + kBlockColumns - 1) / kBlockColumns);
  }
  // strip, format, unit and blocks of strip `index`; its rows beyond the
  // matrix's are zeros.
  StripProduct Strip(int index) const;

 private:
  void PackRow(const GgufTensor& tensor, int64_t stored_row, int64_t row);

  const int64_t rows_;
  const int64_t columns_;
  const StripFormat format_;
  const float unit_;
  std::vector<uint8_t> bytes_;
};

// Rows of x, quantized for products with packed matrices. Keeps its memory.
class QuantizedRows {
 public:
  // For `rows` rows of `columns` each. Then each row is to be set.
  void Reset(int rows, int columns);
  int rows() const { return rows_; }
  int tiles() const { return (rows_ + kTileRows - 1) / kTileRows; }
  // Row `row` from x[columns]. Rows of one tile may be set by many threads.
  void Set(int row, const float* x);
  // Sets tile and rows of `product`.
  void TakeTile(int tile, StripProduct* product) const;

 private:
  int TileRows(int tile) const;
  size_t TileBegin(int tile) const;

  int rows_ = 0;
  int columns_ = 0;
  int blocks_ = 0;
  std::vector<uint8_t> bytes_;
};

// One product of a batch: y [x.rows(), matrix.rows()] = x W^T.
struct PackedProduct {
  const PackedMatrix* matrix = nullptr;
  float* y = nullptr;
  int64_t stride = 0;  // of y's rows, at least matrix->rows()
};

// All products of one x, shared out over the team. All matrices have x's
// columns.
void Multiply(const QuantizedRows& x, const PackedProduct* products, int count,
              ThreadTeam& team);

}  // namespace gist
