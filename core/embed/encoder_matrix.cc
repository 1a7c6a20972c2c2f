#include "core/embed/encoder_matrix.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <vector>

#include "core/format/gguf.h"

namespace gist {
namespace {

int64_t ColumnsOf(const at::Tensor& blocks) {
  return blocks.size(1) / BlockRowBytes(kBlockColumns) * kBlockColumns;
}

const char* BytesOf(const at::Tensor& blocks) {
  return reinterpret_cast<const char*>(blocks.const_data_ptr<uint8_t>());
}

}  // namespace

void BlocksToFloats(const char* blocks, int64_t rows, int64_t columns,
                    float* out) {
  Dequantize(GgmlType::kQ4_0, blocks, rows * columns, out);
}

at::Tensor EncoderMatrix::Product(const at::Tensor& x,
                                  const at::Tensor& bias) const {
  if (values_.scalar_type() != at::kBFloat16)
    return at::linear(x, values_.to(at::kFloat), bias);
  return at::linear(x.to(at::kBFloat16), values_).to(at::kFloat).add_(bias);
}

at::Tensor EncoderMatrix::Rows(const at::Tensor& ids) const {
  if (!HasBlocks()) return at::embedding(values_, ids).to(at::kFloat);
  const at::Tensor flat = ids.contiguous();
  const int64_t columns = ColumnsOf(values_);
  std::vector<int64_t> shape = ids.sizes().vec();
  shape.push_back(columns);
  at::Tensor rows = at::empty(shape, at::TensorOptions(at::kFloat));
  const int64_t* id = flat.const_data_ptr<int64_t>();
  float* out = rows.mutable_data_ptr<float>();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    BlocksToFloats(BytesOf(values_) + id[i] * values_.size(1), 1, columns,
                   out + i * columns);
  }
  return rows;
}

}  // namespace gist
