#include "core/embed/encoder_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <utility>

#include "core/base/status.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

class Loader {
 public:
  Loader(const SafeTensors& file, const EncoderConfig& config,
         const std::string& device)
      : file_(file), config_(config), device_(device) {
    constexpr char kPrefix[] = "bert.";
    if (file.tensors.contains(std::string(kPrefix) +
                              "embeddings.word_embeddings.weight")) {
      prefix_ = kPrefix;
    }
  }

  absl::StatusOr<EncoderWeights> Load() {
    const int64_t hidden = config_.hidden_size;
    EncoderWeights weights;
    GIST_ASSIGN_OR_RETURN(weights.words,
                          Read("embeddings.word_embeddings.weight",
                               {config_.vocab_size, hidden}));
    GIST_ASSIGN_OR_RETURN(const at::Tensor positions,
                          Read("embeddings.position_embeddings.weight",
                               {config_.positions, hidden}));
    GIST_ASSIGN_OR_RETURN(const at::Tensor types,
                          Read("embeddings.token_type_embeddings.weight",
                               {config_.token_types, hidden}));
    weights.positions = positions + types.select(0, 0);
    GIST_ASSIGN_OR_RETURN(weights.norm, ReadNorm("embeddings.LayerNorm"));
    for (int layer = 0; layer < config_.layers; ++layer) {
      GIST_ASSIGN_OR_RETURN(EncoderLayer loaded, ReadLayer(layer));
      weights.layers.push_back(std::move(loaded));
    }
    weights.bytes = bytes_;
    return weights;
  }

 private:
  absl::StatusOr<EncoderLayer> ReadLayer(int index) {
    const std::string stem = fmt::format("encoder.layer.{}.", index);
    const int64_t hidden = config_.hidden_size;
    const int64_t wide = config_.intermediate_size;
    std::vector<at::Tensor> weights, biases;
    for (const char* name : {"query", "key", "value"}) {
      GIST_ASSIGN_OR_RETURN(
          const DenseLayer part,
          ReadDense(stem + "attention.self." + name, hidden, hidden));
      weights.push_back(part.weight);
      biases.push_back(part.bias);
    }
    EncoderLayer layer;
    layer.query_key_value = {at::cat(weights), at::cat(biases)};
    GIST_ASSIGN_OR_RETURN(
        layer.attention_output,
        ReadDense(stem + "attention.output.dense", hidden, hidden));
    GIST_ASSIGN_OR_RETURN(layer.attention_norm,
                          ReadNorm(stem + "attention.output.LayerNorm"));
    GIST_ASSIGN_OR_RETURN(layer.intermediate,
                          ReadDense(stem + "intermediate.dense", wide, hidden));
    GIST_ASSIGN_OR_RETURN(layer.output,
                          ReadDense(stem + "output.dense", hidden, wide));
    GIST_ASSIGN_OR_RETURN(layer.output_norm,
                          ReadNorm(stem + "output.LayerNorm"));
    return layer;
  }

  absl::StatusOr<DenseLayer> ReadDense(const std::string& stem, int64_t out,
                                       int64_t in) {
    DenseLayer dense;
    GIST_ASSIGN_OR_RETURN(dense.weight, Read(stem + ".weight", {out, in}));
    GIST_ASSIGN_OR_RETURN(dense.bias, Read(stem + ".bias", {out}));
    return dense;
  }
  absl::StatusOr<Normalization> ReadNorm(const std::string& stem) {
    Normalization norm;
    const int64_t hidden = config_.hidden_size;
    GIST_ASSIGN_OR_RETURN(norm.weight, Read(stem + ".weight", {hidden}));
    GIST_ASSIGN_OR_RETURN(norm.bias, Read(stem + ".bias", {hidden}));
    return norm;
  }

  absl::StatusOr<at::Tensor> Read(const std::string& name,
                                  const std::vector<int64_t>& shape) {
    const auto found = file_.tensors.find(prefix_ + name);
    if (found == file_.tensors.end()) {
      return absl::DataLossError(fmt::format(
          "no tensor {}, want the weights of a BertModel", prefix_ + name));
    }
    if (found->second.shape != shape) {
      return absl::DataLossError(fmt::format(
          "tensor {} is [{}], want [{}] as config.json says", prefix_ + name,
          fmt::join(found->second.shape, ", "), fmt::join(shape, ", ")));
    }
    at::Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
    ToFloats(found->second, values.mutable_data_ptr<float>());
    bytes_ += int64_t(values.nbytes());
    return values.to(device_);
  }

  const SafeTensors& file_;
  const EncoderConfig& config_;
  const at::Device device_;
  std::string prefix_;
  int64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<EncoderWeights> LoadEncoderWeights(const SafeTensors& file,
                                                  const EncoderConfig& config,
                                                  const std::string& device) {
  return Loader(file, config, device).Load();
}

}  // namespace gist
