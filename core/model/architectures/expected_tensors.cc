#include "core/model/architectures/expected_tensors.h"

#include <set>
#include <string_view>
#include <utility>

#include "core/base/status.h"
#include "core/format/finite.h"

namespace gist {
namespace {

using Dims = std::vector<int64_t>;

// The tensors of one layer after the other, behind those of the whole model.
class TensorTable {
 public:
  explicit TensorTable(const ModelConfig& config)
      : config_(config),
        hidden_(config.hidden_size),
        mlp_(config.mlp_size),
        query_(int64_t{config.heads} * config.head_dim),
        kv_(int64_t{config.kv_heads} * config.head_dim) {}

  std::vector<ExpectedTensor> Make() {
    const Dims vocabulary = {hidden_, config_.vocab_size};
    Add("token_embd.weight", vocabulary);
    Add("output_norm.weight", {hidden_});
    AddOptional("output.weight", vocabulary);
    AddRopeFactors();
    for (int layer = 0; layer < config_.layers; ++layer) {
      prefix_ = fmt::format("blk.{}.", layer);
      AddNorms();
      AddProjections();
    }
    return std::move(tensors_);
  }

 private:
  void Add(std::string_view name, Dims dims) {
    tensors_.push_back({fmt::format("{}{}", prefix_, name), std::move(dims)});
  }
  void AddOptional(std::string_view name, Dims dims) {
    Add(name, std::move(dims));
    tensors_.back().is_optional = true;
  }
  void AddRopeFactors() {
    switch (config_.architecture.rope_factors) {
      case RopeFactors::kNone:
        return;
      case RopeFactors::kFreqs:
        return AddOptional("rope_freqs.weight", {});
      case RopeFactors::kLongAndShort:
        AddOptional("rope_factors_long.weight", {});
        return AddOptional("rope_factors_short.weight", {});
    }
  }
  void AddNorms() {
    Add("attn_norm.weight", {hidden_});
    Add("ffn_norm.weight", {hidden_});
    if (config_.architecture.qk_norms) {
      Add("attn_q_norm.weight", {config_.head_dim});
      Add("attn_k_norm.weight", {config_.head_dim});
    }
    if (!config_.architecture.post_norms) return;
    Add("post_attention_norm.weight", {hidden_});
    Add("post_ffw_norm.weight", {hidden_});
  }
  void AddProjections() {
    if (config_.architecture.fused_tensors) {
      Add("attn_qkv.weight", {hidden_, query_ + 2 * kv_});
      Add("ffn_up.weight", {hidden_, 2 * mlp_});
    } else {
      Add("attn_q.weight", {hidden_, query_});
      Add("attn_k.weight", {hidden_, kv_});
      Add("attn_v.weight", {hidden_, kv_});
      Add("ffn_gate.weight", {hidden_, mlp_});
      Add("ffn_up.weight", {hidden_, mlp_});
    }
    if (config_.architecture.attention_biases) {
      Add("attn_q.bias", {query_});
      Add("attn_k.bias", {kv_});
      Add("attn_v.bias", {kv_});
    }
    Add("attn_output.weight", {query_, hidden_});
    Add("ffn_down.weight", {mlp_, hidden_});
  }

  const ModelConfig& config_;
  const int64_t hidden_, mlp_, query_, kv_;
  std::string prefix_;
  std::vector<ExpectedTensor> tensors_;
};

}  // namespace

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  return TensorTable(config).Make();
}

absl::Status CheckTensorNames(const Gguf& file, const ModelConfig& config) {
  std::set<std::string> known;
  for (ExpectedTensor& tensor : ExpectedTensors(config))
    known.insert(std::move(tensor.name));
  for (const auto& [name, tensor] : file.tensors()) {
    if (known.contains(name)) continue;
    return absl::UnimplementedError(fmt::format(
        "tensor {} is not known for {} with {} layers and may change what the "
        "model computes: use a model without it",
        name, config.architecture.name, config.layers));
  }
  return absl::OkStatus();
}

absl::Status CheckTensorDims(const Gguf& file, const ModelConfig& config) {
  for (const ExpectedTensor& wanted : ExpectedTensors(config)) {
    if (wanted.is_optional && !file.tensors().contains(wanted.name)) continue;
    GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, file.Tensor(wanted.name));
    if (wanted.dims.empty() || tensor->dims == wanted.dims) continue;
    return absl::DataLossError(fmt::format(
        "tensor {} has dims [{}], want [{}] as the model's sizes say: the file "
        "is damaged, fetch or convert it again",
        wanted.name, fmt::join(tensor->dims, ", "),
        fmt::join(wanted.dims, ", ")));
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(const GgufTensor& tensor) {
  const auto at = FirstNonFinite(tensor);
  if (!at) return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "tensor {} holds an infinite number or a NaN, in row {} of {}: the file "
      "is damaged, fetch or convert it again",
      tensor.name, *at / tensor.dims[0], tensor.Elements() / tensor.dims[0]));
}

}  // namespace gist
