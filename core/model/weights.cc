#include "core/model/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/base/status.h"
#include "core/model/architectures/expected_tensors.h"

namespace gist {
namespace {

constexpr int64_t kValuesAtOnce = 1 << 20;  // converted to bfloat16

class Loader {
 public:
  Loader(const Gguf& file, const ModelConfig& config, const std::string& device,
         WeightStorage storage, ThreadTeam& team)
      : file_(file),
        config_(config),
        device_(device),
        storage_(storage),
        team_(team) {}

  absl::StatusOr<Weights> Load() {
    GIST_RETURN_IF_ERROR(CheckTensorDims(file_, config_));
    Weights weights;
    GIST_ASSIGN_OR_RETURN(weights.embedding, Matrix("token_embd.weight"));
    GIST_ASSIGN_OR_RETURN(weights.output_norm, Vector("output_norm.weight"));
    weights.output = weights.embedding;
    if (file_.tensors().contains("output.weight")) {
      GIST_ASSIGN_OR_RETURN(weights.output, Matrix("output.weight"));
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
    LayerWeights layer;
    GIST_RETURN_IF_ERROR(LoadNorms(blk, &layer));
    GIST_RETURN_IF_ERROR(config_.architecture.fused_tensors
                             ? LoadFused(blk, &layer)
                             : LoadSeparate(blk, &layer));
    GIST_ASSIGN_OR_RETURN(layer.output, Matrix(blk + "attn_output.weight"));
    GIST_ASSIGN_OR_RETURN(layer.down, Matrix(blk + "ffn_down.weight"));
    return layer;
  }

  absl::Status LoadNorms(const std::string& blk, LayerWeights* layer) {
    GIST_ASSIGN_OR_RETURN(layer->attention_norm,
                          Vector(blk + "attn_norm.weight"));
    GIST_ASSIGN_OR_RETURN(layer->mlp_norm, Vector(blk + "ffn_norm.weight"));
    if (config_.architecture.qk_norms) {
      GIST_ASSIGN_OR_RETURN(layer->query_norm,
                            Vector(blk + "attn_q_norm.weight", RopeRows()));
      GIST_ASSIGN_OR_RETURN(layer->key_norm,
                            Vector(blk + "attn_k_norm.weight", RopeRows()));
    }
    if (!config_.architecture.post_norms) return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(layer->attention_post_norm,
                          Vector(blk + "post_attention_norm.weight"));
    GIST_ASSIGN_OR_RETURN(layer->mlp_post_norm,
                          Vector(blk + "post_ffw_norm.weight"));
    return absl::OkStatus();
  }

  absl::Status LoadSeparate(const std::string& blk, LayerWeights* layer) {
    GIST_ASSIGN_OR_RETURN(layer->query, Attention(blk + "attn_q", RopeRows()));
    GIST_ASSIGN_OR_RETURN(layer->key, Attention(blk + "attn_k", RopeRows()));
    GIST_ASSIGN_OR_RETURN(layer->value, Attention(blk + "attn_v", 0));
    GIST_ASSIGN_OR_RETURN(layer->gate, Matrix(blk + "ffn_gate.weight"));
    GIST_ASSIGN_OR_RETURN(layer->up, Matrix(blk + "ffn_up.weight"));
    return absl::OkStatus();
  }

  // Parts of one tensor's rows, in the order in which they lie there.
  absl::Status LoadFused(const std::string& blk, LayerWeights* layer) {
    const int64_t mlp = config_.mlp_size;
    const int64_t query = int64_t{config_.heads} * config_.head_dim;
    const int64_t kv = int64_t{config_.kv_heads} * config_.head_dim;
    GIST_ASSIGN_OR_RETURN(const GgufTensor* qkv, Find(blk + "attn_qkv.weight"));
    layer->query = Stored(RowsOf(*qkv, 0, query), RopeRows());
    layer->key = Stored(RowsOf(*qkv, query, kv), RopeRows());
    layer->value = Stored(RowsOf(*qkv, query + kv, kv), 0);
    GIST_ASSIGN_OR_RETURN(const GgufTensor* gate_up,
                          Find(blk + "ffn_up.weight"));
    layer->gate = Stored(RowsOf(*gate_up, 0, mlp), 0);
    layer->up = Stored(RowsOf(*gate_up, mlp, mlp), 0);
    return absl::OkStatus();
  }

  static GgufTensor RowsOf(const GgufTensor& matrix, int64_t begin,
                           int64_t count) {
    const size_t row_bytes = matrix.data.size() / size_t(matrix.dims[1]);
    GgufTensor rows = matrix;
    rows.dims[1] = count;
    rows.data = matrix.data.substr(size_t(begin) * row_bytes,
                                   size_t(count) * row_bytes);
    return rows;
  }

  // Rows of a head that are stored as pairs (2i, 2i + 1) and become
  // (i, i + half); 0: stored as halves.
  int RopeRows() const {
    return config_.architecture.rope_order == RopeOrder::kInterleaved
               ? config_.head_dim
               : 0;
  }

  // A query, key or value projection, with its bias if the model has biases.
  // `interleaved_head_rows`: RopeRows() for query and key, else 0.
  absl::StatusOr<Linear> Attention(const std::string& stem,
                                   int interleaved_head_rows) {
    GIST_ASSIGN_OR_RETURN(Linear matrix,
                          Matrix(stem + ".weight", interleaved_head_rows));
    if (config_.architecture.attention_biases) {
      GIST_ASSIGN_OR_RETURN(matrix.bias,
                            Vector(stem + ".bias", interleaved_head_rows));
    }
    return matrix;
  }

  absl::StatusOr<Linear> Matrix(const std::string& name,
                                int interleaved_head_rows = 0) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, Find(name));
    return Stored(*tensor, interleaved_head_rows);
  }
  // A matrix as `storage_` says.
  Linear Stored(const GgufTensor& tensor, int interleaved_head_rows) {
    if (storage_ == WeightStorage::kQuantized) {
      auto matrix = std::make_shared<const QuantizedMatrix>(
          tensor, interleaved_head_rows, device_, team_);
      bytes_ += matrix->bytes();
      return Linear{.values = {}, .quantized = std::move(matrix)};
    }
    at::Tensor values = storage_ == WeightStorage::kBfloat16
                            ? InBfloat16(tensor, interleaved_head_rows)
                            : Rows(tensor, interleaved_head_rows);
    bytes_ += int64_t(values.nbytes());
    return Linear{.values = values.to(device_), .quantized = nullptr};
  }
  static at::Tensor Rows(const GgufTensor& matrix, int interleaved_head_rows) {
    const at::Tensor rows = Read(matrix, {matrix.dims[1], matrix.dims[0]});
    return interleaved_head_rows > 0 ? ToHalves(rows, interleaved_head_rows)
                                     : rows;
  }
  // Some heads at a time, through one room: the largest matrix in float32, or
  // the holes that many leave in the heap, would be the peak of loading.
  at::Tensor InBfloat16(const GgufTensor& matrix, int interleaved_head_rows) {
    const int64_t columns = matrix.dims[0], rows = matrix.dims[1];
    const int64_t unit = std::max(interleaved_head_rows, 1);
    const int64_t at_once =
        std::max<int64_t>(kValuesAtOnce / columns / unit, 1) * unit;
    if (!floats_.defined() || floats_.numel() < at_once * columns) {
      floats_ = at::empty({std::max(kValuesAtOnce, at_once * columns)},
                          at::TensorOptions(at::kFloat));
    }
    at::Tensor values =
        at::empty({rows, columns}, at::TensorOptions(at::kBFloat16));
    for (int64_t begin = 0; begin < rows; begin += at_once) {
      const int64_t count = std::min(at_once, rows - begin);
      at::Tensor part =
          floats_.narrow(0, 0, count * columns).view({count, columns});
      Dequantize(RowsOf(matrix, begin, count), part.mutable_data_ptr<float>());
      if (interleaved_head_rows > 0)
        part = ToHalves(part, interleaved_head_rows);
      values.narrow(0, begin, count).copy_(part);
    }
    return values;
  }
  absl::StatusOr<at::Tensor> Vector(const std::string& name,
                                    int interleaved_head_rows = 0) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, Find(name));
    at::Tensor values = Read(*tensor, {tensor->dims[0]});
    if (interleaved_head_rows > 0)
      values = ToHalves(values, interleaved_head_rows);
    bytes_ += int64_t(values.nbytes());
    return values.to(device_);
  }

  static at::Tensor ToHalves(const at::Tensor& rows, int head_rows) {
    return rows.view({-1, head_rows / 2, 2, rows.dim() == 2 ? rows.size(1) : 1})
        .transpose(1, 2)
        .reshape_as(rows);
  }

  // Of the dims that CheckTensorDims has seen.
  absl::StatusOr<const GgufTensor*> Find(const std::string& name) {
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, file_.Tensor(name));
    GIST_RETURN_IF_ERROR(CheckFinite(*tensor));
    return tensor;
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
  at::Tensor floats_;  // of a matrix on its way to bfloat16
  ThreadTeam& team_;
  int64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<Weights> LoadWeights(const Gguf& file, const ModelConfig& config,
                                    const std::string& device,
                                    WeightStorage storage, ThreadTeam& team,
                                    std::shared_ptr<const void> owner) {
  return Fence("loading weights", [&] {
    auto weights = Loader(file, config, device, storage, team).Load();
    if (weights.ok() && storage == WeightStorage::kQuantized &&
        !at::Device(device).is_cpu()) {
      weights->file = std::move(owner);
    }
    return weights;
  });
}

}  // namespace gist
