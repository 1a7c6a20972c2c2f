// A matrix of the base model, which never changes. For this folder and
// core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "core/format/gguf.h"

namespace gist {

// A matrix that stays as it is stored in the model file. The file's bytes must
// outlive it. Thread-safe.
class QuantizedMatrix {
 public:
  // `tensor`: two dims. `interleaved_head_rows`: of a head, if the rows are in
  // GGUF's order for interleaved RoPE and are wanted in halves; else 0.
  QuantizedMatrix(const GgufTensor& tensor, int interleaved_head_rows,
                  at::Device device);
  int64_t rows() const { return tensor_.dims[1]; }
  int64_t columns() const { return tensor_.dims[0]; }

  // Rows `begin` to `begin + count` as float32 [count, columns] on the device,
  // in memory of this thread's own that its next call writes over.
  at::Tensor Dequantized(int64_t begin, int64_t count) const;
  // The rows `ids` (int64, any shape), as float32 [..., columns].
  at::Tensor Gathered(const at::Tensor& ids) const;

 private:
  int64_t StoredRow(int64_t row) const;
  void DequantizeRow(int64_t row, float* out) const;

  const GgufTensor tensor_;
  const int64_t row_bytes_;
  const int head_rows_;
  const at::Device device_;
};

// [rows, columns]: values, or quantized where those are undefined.
struct Linear {
  at::Tensor values;
  std::shared_ptr<const QuantizedMatrix> quantized;
};

// x W^T in x's type; x is [rows, columns of W]. Computed in W's type, which may
// be bfloat16; on a CPU in float32 where that is faster. Carries gradients to x
// alone: a quantized matrix is dequantized again in the backward pass, nothing
// of it is kept.
at::Tensor Product(const at::Tensor& x, const Linear& matrix);
// The rows `ids` as float32, without gradient.
at::Tensor Rows(const Linear& matrix, const at::Tensor& ids);

}  // namespace gist
