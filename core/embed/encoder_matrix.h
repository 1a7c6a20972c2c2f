// A matrix of an encoder, as it lies in memory. For the encoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace gist {

// [rows, columns]: float32, float16, bfloat16, or Q4_0 blocks as GGML lays them
// out (32 weights of a row in 18 bytes). Immutable. LibTorch's exceptions pass.
class EncoderMatrix {
 public:
  EncoderMatrix() = default;
  // `values`: [rows, columns] of numbers; or the blocks, uint8 on the CPU,
  // [rows, BlockRowBytes(columns)].
  explicit EncoderMatrix(at::Tensor values) : values_(std::move(values)) {}

  // x W^T + bias in float32; x: float32 [..., columns]; bias: [rows]. Numbers
  // alone. bfloat16: x is rounded to it too; float16: converted at each call.
  at::Tensor Product(const at::Tensor& x, const at::Tensor& bias) const;
  // float32 [shape of ids, columns]. `ids`: int64 on the matrix's device, each
  // below `rows`.
  at::Tensor Rows(const at::Tensor& ids) const;
  int64_t bytes() const { return int64_t(values_.nbytes()); }

 private:
  bool HasBlocks() const { return values_.scalar_type() == at::kByte; }

  at::Tensor values_;
};

// Of a row of Q4_0 blocks; `columns`: a multiple of kBlockColumns.
inline constexpr int64_t kBlockColumns = 32;
constexpr int64_t BlockRowBytes(int64_t columns) {
  return columns / kBlockColumns * 18;
}

// `out`: floats of `rows` rows of blocks that lie behind each other.
void BlocksToFloats(const char* blocks, int64_t rows, int64_t columns,
                    float* out);

}  // namespace gist
