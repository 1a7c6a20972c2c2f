// A constant matrix of the base model. For this folder and core/train.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "core/format/gguf.h"
#include "core/kernels/packed_matrix.h"
#include "core/kernels/thread_team.h"

namespace gist {

// A matrix of fewer bits: packed on a CPU, in the model file's own form for a
// GPU. The file's bytes must outlive the second, the team the first.
// Thread-safe.
class QuantizedMatrix {
 public:
  // `tensor`: two dims. `interleaved_head_rows`: rows of a head if they are
  // stored for interleaved RoPE; they are then returned in halves. Else 0.
  QuantizedMatrix(const GgufTensor& tensor, int interleaved_head_rows,
                  at::Device device, ThreadTeam& team);
  int64_t rows() const { return tensor_.dims[1]; }
  int64_t columns() const { return tensor_.dims[0]; }

  // Rows `begin` to `begin + count` as float32 [count, columns] on the device.
  // The memory belongs to this thread; its next call overwrites it.
  at::Tensor Dequantized(int64_t begin, int64_t count) const;
  // The rows `ids` (int64, any shape), as float32 [..., columns].
  at::Tensor Gathered(const at::Tensor& ids) const;

  // Null on a GPU.
  const PackedMatrix* packed() const { return packed_.get(); }
  // x W^T by core/kernels: x float32 [rows, columns], without gradient. Packed
  // matrices only.
  at::Tensor PackedProduct(const at::Tensor& x) const;
  // Bytes in memory.
  int64_t bytes() const;

 private:
  int64_t StoredRow(int64_t row) const;
  void DequantizeRow(int64_t row, float* out) const;

  const GgufTensor tensor_;
  const int64_t row_bytes_;
  const int head_rows_;
  const at::Device device_;
  ThreadTeam& team_;
  std::unique_ptr<const PackedMatrix> packed_;
};

// [rows, columns]: values, or quantized if those are undefined.
struct Linear {
  at::Tensor values;
  std::shared_ptr<const QuantizedMatrix> quantized;
  at::Tensor bias = {};  // [rows]; undefined: none
};

// x W^T + bias in x's type; x is [rows, columns of W]. Computed in W's type,
// which may be bfloat16; on a CPU in float32 if that is faster. Without a
// gradient a packed matrix is multiplied as it is, x in 8 bits. Only x gets a
// gradient. The backward pass dequantizes a quantized matrix again.
at::Tensor Product(const at::Tensor& x, const Linear& matrix);
// The rows `ids` as float32, without gradient.
at::Tensor Rows(const Linear& matrix, const at::Tensor& ids);

}  // namespace gist
