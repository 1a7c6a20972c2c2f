#include "core/embed/encoder_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "core/base/float16.h"
#include "core/base/status.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr char kWords[] = "embeddings.word_embeddings.weight";
constexpr char kBlocks[] = ".q4_0";  // behind a name: its rows are blocks

// What matrices that came in blocks are held in on the CPU. Either type rounds
// a weight less than its block did.
at::ScalarType TypeOfFormerBlocks() {
  return MultipliesBfloat16() ? at::kBFloat16 : at::kHalf;
}

class Loader {
 public:
  Loader(const SafeTensors& file, const EncoderConfig& config,
         const std::string& device)
      : file_(file), config_(config), device_(device) {
    constexpr char kPrefix[] = "bert.";
    const std::string words = std::string(kPrefix) + kWords;
    if (file.tensors.contains(words) ||
        file.tensors.contains(words + kBlocks)) {
      prefix_ = kPrefix;
    }
  }

  absl::StatusOr<EncoderWeights> Load() {
    const int64_t hidden = config_.hidden_size;
    EncoderWeights weights;
    GIST_ASSIGN_OR_RETURN(const at::Tensor words,
                          ReadMatrix(kWords, config_.vocab_size, hidden,
                                     /*keeps_blocks=*/device_.is_cpu()));
    weights.words = EncoderMatrix(words);
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
      const std::string part = stem + "attention.self." + name;
      GIST_ASSIGN_OR_RETURN(weights.emplace_back(),
                            ReadMatrix(part + ".weight", hidden, hidden));
      GIST_ASSIGN_OR_RETURN(biases.emplace_back(),
                            Read(part + ".bias", {hidden}));
    }
    EncoderLayer layer;
    layer.query_key_value = {EncoderMatrix(at::cat(weights)), at::cat(biases)};
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
    GIST_ASSIGN_OR_RETURN(at::Tensor weight,
                          ReadMatrix(stem + ".weight", out, in));
    GIST_ASSIGN_OR_RETURN(at::Tensor bias, Read(stem + ".bias", {out}));
    return DenseLayer{EncoderMatrix(std::move(weight)), std::move(bias)};
  }

  absl::StatusOr<Normalization> ReadNorm(const std::string& stem) {
    Normalization norm;
    const int64_t hidden = config_.hidden_size;
    GIST_ASSIGN_OR_RETURN(norm.weight, Read(stem + ".weight", {hidden}));
    GIST_ASSIGN_OR_RETURN(norm.bias, Read(stem + ".bias", {hidden}));
    return norm;
  }

  absl::StatusOr<at::Tensor> ReadMatrix(const std::string& name, int64_t rows,
                                        int64_t columns,
                                        bool keeps_blocks = false) {
    const auto found = file_.tensors.find(prefix_ + name + kBlocks);
    if (found == file_.tensors.end()) return Read(name, {rows, columns});
    const SafeTensor& tensor = found->second;
    const std::vector<int64_t> shape = {rows, BlockRowBytes(columns)};
    if (columns % kBlockColumns != 0 || tensor.type != TensorType::kU8 ||
        tensor.shape != shape) {
      return absl::DataLossError(fmt::format(
          "tensor {} is [{}], want U8 [{}]: rows of {} weights in blocks of {}",
          found->first, fmt::join(tensor.shape, ", "), fmt::join(shape, ", "),
          columns, kBlockColumns));
    }
    if (keeps_blocks) {
      at::Tensor blocks = at::empty(shape, at::TensorOptions(at::kByte));
      std::ranges::copy(tensor.data, blocks.mutable_data_ptr<uint8_t>());
      bytes_ += int64_t(blocks.nbytes());
      return blocks;
    }
    at::Tensor values =
        at::empty({rows, columns}, at::TensorOptions(at::kFloat));
    BlocksToFloats(tensor.data.data(), rows, columns,
                   values.mutable_data_ptr<float>());
    if (device_.is_cpu()) values = values.to(TypeOfFormerBlocks());
    bytes_ += int64_t(values.nbytes());
    return values.to(device_);
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
