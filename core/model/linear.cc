#include "core/model/linear.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/base/float16.h"
#include "core/kernels/small_batch_gemm.h"

namespace gist {
namespace {

using at::Tensor;

// Dequantized at a time, at most: 256 MB. A large vocabulary is multiplied in
// slices.
constexpr int64_t kSliceValues = int64_t{64} << 20;
constexpr int64_t kRowsPerTask = 16;
// What a core takes on at least of a product of few rows: a tenth of a
// millisecond.
constexpr int64_t kValuesPerTask = 100'000;

// Kept between calls: fresh pages would cost more than the dequantizing. It
// grows to the largest slice that the thread has asked for.
float* Scratch(int64_t values) {
  thread_local Tensor scratch;
  if (!scratch.defined() || scratch.numel() < values) {
    scratch = Tensor();  // first, so that both are not held
    scratch = at::empty({values}, at::TensorOptions(at::kFloat));
  }
  return scratch.mutable_data_ptr<float>();
}

// Calls visit(first row, values [rows, columns]) for all rows, in slices.
template <typename Visit>
void EachSlice(const QuantizedMatrix& matrix, Visit visit) {
  const int64_t most = std::max<int64_t>(1, kSliceValues / matrix.columns());
  for (int64_t begin = 0; begin < matrix.rows(); begin += most) {
    visit(begin,
          matrix.Dequantized(begin, std::min(most, matrix.rows() - begin)));
  }
}

bool WantsGradient(const Tensor& x) {
  return at::GradMode::is_enabled() && x.requires_grad();
}

bool IsForFewRows(const Tensor& x, const Tensor& w) {
  return x.is_cpu() && w.is_cpu() && x.dim() == 2 && x.size(0) <= kFewRows &&
         x.size(1) % kFewRowsLanes == 0 && x.scalar_type() == at::kFloat &&
         (w.scalar_type() == at::kFloat || w.scalar_type() == at::kBFloat16) &&
         w.is_contiguous() && !WantsGradient(x);
}

// Then one in float32 is faster, the matrix converted for it.
bool IsSlowIn(at::ScalarType type, const Tensor& x) {
  static const bool has_bfloat16 = MultipliesBfloat16();
  return type == at::kBFloat16 && x.is_cpu() && !has_bfloat16;
}

Tensor FewRowsProduct(const Tensor& any_x, const Tensor& w) {
  const Tensor x = any_x.contiguous();
  const int64_t rows = x.size(0), in = x.size(1), out = w.size(0);
  Tensor y = at::empty({rows, out}, x.options());
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  const auto multiply = [&](const auto* matrix) {
    at::parallel_for(
        0, out, kValuesPerTask / in, [&](int64_t begin, int64_t end) {
          SmallBatchGemm(from, rows, matrix, in, begin, end, to, out);
        });
  };
  if (w.scalar_type() == at::kFloat) {
    multiply(w.const_data_ptr<float>());
  } else {
    multiply(static_cast<const uint16_t*>(w.const_data_ptr()));
  }
  return y;
}

// multiply(values): x times a slice of the matrix.
template <typename Multiply>
Tensor InSlices(const QuantizedMatrix& matrix, Multiply multiply) {
  std::vector<Tensor> parts;
  EachSlice(matrix, [&](int64_t, const Tensor& values) {
    parts.push_back(multiply(values));
  });
  return parts.size() == 1 ? parts.front() : at::cat(parts, -1);
}

// at::linear would keep the dequantized matrix for its backward pass.
class QuantizedProduct : public torch::autograd::Function<QuantizedProduct> {
 public:
  // The matrix outlives the graph: both belong to one training.
  static Tensor forward(torch::autograd::AutogradContext* context,
                        const Tensor& x, const QuantizedMatrix* matrix) {
    context->saved_data["matrix"] = reinterpret_cast<int64_t>(matrix);
    return InSlices(
        *matrix, [&](const Tensor& values) { return at::linear(x, values); });
  }
  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto* matrix = reinterpret_cast<const QuantizedMatrix*>(
        context->saved_data["matrix"].toInt());
    Tensor sum;
    EachSlice(*matrix, [&](int64_t begin, const Tensor& values) {
      const Tensor part =
          at::mm(grads[0].narrow(1, begin, values.size(0)), values);
      sum = sum.defined() ? sum.add_(part) : part;
    });
    return {sum, Tensor()};
  }
};

}  // namespace

QuantizedMatrix::QuantizedMatrix(const GgufTensor& tensor,
                                 int interleaved_head_rows, at::Device device,
                                 ThreadTeam& team)
    : tensor_(tensor),
      row_bytes_(int64_t(tensor.data.size()) / tensor.dims[1]),
      head_rows_(interleaved_head_rows),
      device_(device),
      team_(team) {
  if (device.is_cpu()) {
    packed_ =
        std::make_unique<PackedMatrix>(tensor, interleaved_head_rows, team);
  }
}

int64_t QuantizedMatrix::bytes() const {
  return packed_ ? packed_->bytes() : int64_t(tensor_.data.size());
}

Tensor QuantizedMatrix::PackedProduct(const Tensor& any_x) const {
  const Tensor x = any_x.contiguous();
  Tensor y = at::empty({x.size(0), rows()}, x.options());
  thread_local QuantizedRows quantized;
  quantized.Reset(int(x.size(0)), int(columns()));
  for (int row = 0; row < int(x.size(0)); ++row)
    quantized.Set(row, x.const_data_ptr<float>() + row * columns());
  const gist::PackedProduct product = {packed_.get(),
                                       y.mutable_data_ptr<float>(), rows()};
  Multiply(quantized, &product, 1, team_);
  return y;
}

// Of a head's rows, stored as pairs (2i, 2i + 1), row i and i + half are
// wanted.
int64_t QuantizedMatrix::StoredRow(int64_t row) const {
  if (head_rows_ == 0) return row;
  const int64_t within = row % head_rows_, half = head_rows_ / 2;
  return row - within + 2 * (within % half) + within / half;
}

void QuantizedMatrix::DequantizeRow(int64_t row, float* out) const {
  if (packed_) return packed_->DequantizeRow(row, out);
  Dequantize(tensor_.type, tensor_.data.data() + StoredRow(row) * row_bytes_,
             columns(), out);
}

Tensor QuantizedMatrix::Dequantized(int64_t begin, int64_t count) const {
  float* out = Scratch(count * columns());
  at::parallel_for(0, count, kRowsPerTask, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      DequantizeRow(begin + i, out + i * columns());
  });
  return at::from_blob(out, {count, columns()}, at::TensorOptions(at::kFloat))
      .to(device_);
}

Tensor QuantizedMatrix::Gathered(const Tensor& ids) const {
  const Tensor rows = ids.cpu().contiguous();
  std::vector<int64_t> shape = ids.sizes().vec();
  shape.push_back(columns());
  Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
  const int64_t* row = rows.const_data_ptr<int64_t>();
  auto* out = values.mutable_data_ptr<float>();
  for (int64_t i = 0; i < rows.numel(); ++i)
    DequantizeRow(row[i], out + i * columns());
  return values.to(device_);
}

namespace {

Tensor ProductOf(const Tensor& x, const Linear& matrix) {
  const auto multiply = [&](const Tensor& w) {
    if (IsForFewRows(x, w)) return FewRowsProduct(x, w);
    const at::ScalarType type = w.scalar_type();
    if (type == x.scalar_type()) return at::linear(x, w);
    if (IsSlowIn(type, x) && !WantsGradient(x))
      return at::linear(x, w.to(x.scalar_type()));
    return at::linear(x.to(type), w).to(x.scalar_type());
  };
  if (matrix.values.defined()) return multiply(matrix.values);
  if (WantsGradient(x))
    return QuantizedProduct::apply(x, matrix.quantized.get());
  if (matrix.quantized->packed() != nullptr && x.dim() == 2 &&
      x.scalar_type() == at::kFloat) {
    return matrix.quantized->PackedProduct(x);
  }
  return InSlices(*matrix.quantized, multiply);
}

}  // namespace

Tensor Product(const Tensor& x, const Linear& matrix) {
  const Tensor y = ProductOf(x, matrix);
  return matrix.bias.defined() ? y + matrix.bias : y;
}

Tensor Rows(const Linear& matrix, const Tensor& ids) {
  if (matrix.values.defined()) {
    return at::embedding(matrix.values, ids).to(at::kFloat);
  }
  return matrix.quantized->Gathered(ids);
}

}  // namespace gist
