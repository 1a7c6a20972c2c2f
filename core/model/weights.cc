#include "core/model/weights.h"

#include <ATen/ops/empty.h>

#include "core/base/status.h"

namespace gist {
namespace {

class Loader {
 public:
  Loader(const Gguf& file, const ModelConfig& config, const std::string& device,
         WeightStorage storage)
      : file_(file), config_(config), device_(device), storage_(storage) {}

  absl::StatusOr<Weights> Load() {
    Weights weights;
    GIST_ASSIGN_OR_RETURN(
        weights.embedding,
        Matrix("token_embd.weight", config_.vocab_size, config_.hidden_size));
    GIST_ASSIGN_OR_RETURN(weights.output_norm,
                          Vector("output_norm.weight", config_.hidden_size));
    weights.output = weights.embedding;
    if (file_.tensors().contains("output.weight")) {
      GIST_ASSIGN_OR_RETURN(
          weights.output,
          Matrix("output.weight", config_.vocab_size, config_.hidden_size));
    }
    for (int layer = 0; layer < config_.layers; ++layer) {
      GIST_ASSIGN_OR_RETURN(LayerWeights loaded, Layer(layer));
      weights.layers.push_back(std::move(loaded));
    }
    weights.bytes = bytes_;
    return weights;
  }

 private:
  absl::StatusOr<LayerWeights> Layer(int index) {
    const std::string blk = fmt::format("blk.{}.", index);
    const int hidden = config_.hidden_size;
    const int query_rows = config_.heads * config_.head_dim;
    const int kv_rows = config_.kv_heads * config_.head_dim;
    LayerWeights layer;
    GIST_ASSIGN_OR_RETURN(layer.attention_norm,
                          Vector(blk + "attn_norm.weight", hidden));
    GIST_ASSIGN_OR_RETURN(layer.query, Matrix(blk + "attn_q.weight", query_rows,
                                              hidden, config_.head_dim));
    GIST_ASSIGN_OR_RETURN(layer.key, Matrix(blk + "attn_k.weight", kv_rows,
                                            hidden, config_.head_dim));
    GIST_ASSIGN_OR_RETURN(layer.value,
                          Matrix(blk + "attn_v.weight", kv_rows, hidden));
    GIST_ASSIGN_OR_RETURN(
        layer.output, Matrix(blk + "attn_output.weight", hidden, query_rows));
    GIST_ASSIGN_OR_RETURN(layer.mlp_norm,
                          Vector(blk + "ffn_norm.weight", hidden));
    GIST_ASSIGN_OR_RETURN(
        layer.gate, Matrix(blk + "ffn_gate.weight", config_.mlp_size, hidden));
    GIST_ASSIGN_OR_RETURN(
        layer.up, Matrix(blk + "ffn_up.weight", config_.mlp_size, hidden));
    GIST_ASSIGN_OR_RETURN(
        layer.down, Matrix(blk + "ffn_down.weight", hidden, config_.mlp_size));
    return layer;
  }

  // `interleaved_head_rows`: of a head, where its rows are pairs (2i, 2i + 1)
  // that become (i, i + half); else 0.
  absl::StatusOr<Linear> Matrix(const std::string& name, int64_t rows,
                                int64_t columns,
                                int interleaved_head_rows = 0) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                          Find(name, {columns, rows}));
    if (storage_ == WeightStorage::kQuantized) {
      bytes_ += int64_t(tensor->data.size());
      return Linear{.values = {},
                    .quantized = std::make_shared<const QuantizedMatrix>(
                        *tensor, interleaved_head_rows, device_)};
    }
    at::Tensor values = Read(*tensor, {rows, columns});
    if (interleaved_head_rows > 0)
      values = ToHalves(values, interleaved_head_rows);
    if (storage_ == WeightStorage::kBfloat16) values = values.to(at::kBFloat16);
    bytes_ += int64_t(values.nbytes());
    return Linear{.values = values.to(device_), .quantized = nullptr};
  }
  absl::StatusOr<at::Tensor> Vector(const std::string& name, int64_t size) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, Find(name, {size}));
    at::Tensor values = Read(*tensor, {size}).to(device_);
    bytes_ += int64_t(values.nbytes());
    return values;
  }

  static at::Tensor ToHalves(const at::Tensor& rows, int head_rows) {
    return rows.view({-1, head_rows / 2, 2, rows.size(1)})
        .transpose(1, 2)
        .reshape_as(rows);
  }

  absl::StatusOr<const GgufTensor*> Find(
      const std::string& name, const std::vector<int64_t>& want_dims) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, file_.Tensor(name));
    if (tensor->dims == want_dims) return tensor;
    return absl::DataLossError(fmt::format("tensor {} has dims [{}], want [{}]",
                                           name, fmt::join(tensor->dims, ", "),
                                           fmt::join(want_dims, ", ")));
  }

  static at::Tensor Read(const GgufTensor& tensor, at::IntArrayRef shape) {
    at::Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
    Dequantize(tensor, values.mutable_data_ptr<float>());
    return values;
  }

  const Gguf& file_;
  const ModelConfig& config_;
  const at::Device device_;
  const WeightStorage storage_;
  int64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<Weights> LoadWeights(const Gguf& file, const ModelConfig& config,
                                    const std::string& device,
                                    WeightStorage storage,
                                    std::shared_ptr<const MappedFile> mapped) {
  return Fence("loading weights", [&] {
    auto weights = Loader(file, config, device, storage).Load();
    if (weights.ok() && storage == WeightStorage::kQuantized) {
      weights->file = std::move(mapped);
    }
    return weights;
  });
}

}  // namespace gist
