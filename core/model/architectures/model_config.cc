#include "core/model/architectures/model_config.h"

#include <cmath>
#include <string_view>

#include "core/base/status.h"
#include "core/model/architectures/expected_tensors.h"
#include "core/model/architectures/known_names.h"
#include "core/model/architectures/prefixed_keys.h"

namespace gist {
namespace {

// Fewer hold no question, and some chat templates are longer.
constexpr int kLeastContext = 64;
// A file that lies takes no more memory than this.
constexpr int kMostLayers = 4096, kMostHeadDim = 4096;

absl::Status CheckSizes(const ModelConfig& config, const PrefixedKeys& keys) {
  if (config.heads % config.kv_heads != 0 || config.head_dim % 2 != 0) {
    return absl::DataLossError(
        fmt::format("{} heads, {} KV heads, head size {}: KV heads must "
                    "divide heads and the head size must be even",
                    config.heads, config.kv_heads, config.head_dim));
  }
  if (config.layers > kMostLayers || config.head_dim > kMostHeadDim ||
      config.head_dim < 2) {
    return absl::DataLossError(fmt::format(
        "{} layers, head size {}: want at most {} layers, a head size from 2 "
        "to {}",
        config.layers, config.head_dim, kMostLayers, kMostHeadDim));
  }
  if (config.max_context_tokens < kLeastContext) {
    return absl::DataLossError(
        fmt::format("{} is {}, want at least {}", keys.Name("context_length"),
                    config.max_context_tokens, kLeastContext));
  }
  GIST_ASSIGN_OR_RETURN(const int value_length,
                        keys.SizeOr("attention.value_length", config.head_dim));
  if (value_length == config.head_dim) return absl::OkStatus();
  return absl::UnimplementedError(fmt::format(
      "{} is {}, supported: the keys' head size, {}",
      keys.Name("attention.value_length"), value_length, config.head_dim));
}

absl::Status ReadSizes(const PrefixedKeys& keys, ModelConfig* config) {
  ModelConfig& c = *config;
  GIST_ASSIGN_OR_RETURN(c.layers, keys.Size("block_count"));
  GIST_ASSIGN_OR_RETURN(c.hidden_size, keys.Size("embedding_length"));
  GIST_ASSIGN_OR_RETURN(c.heads, keys.Size("attention.head_count"));
  GIST_ASSIGN_OR_RETURN(c.kv_heads,
                        keys.SizeOr("attention.head_count_kv", c.heads));
  GIST_ASSIGN_OR_RETURN(
      c.head_dim, keys.SizeOr("attention.key_length", c.hidden_size / c.heads));
  GIST_ASSIGN_OR_RETURN(c.mlp_size, keys.Size("feed_forward_length"));
  GIST_ASSIGN_OR_RETURN(c.max_context_tokens, keys.Size("context_length"));
  GIST_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                        keys.file().Tensor("token_embd.weight"));
  c.vocab_size = embedding->dims.size() == 2 ? int(embedding->dims[1]) : 0;
  return CheckSizes(c, keys);
}

absl::Status ReadScales(const PrefixedKeys& keys, ModelConfig* config) {
  ModelConfig& c = *config;
  GIST_ASSIGN_OR_RETURN(const double epsilon,
                        keys.Positive("attention.layer_norm_rms_epsilon"));
  c.rms_norm_epsilon = float(epsilon);
  if (c.architecture.scaled_embeddings)
    c.embedding_scale = std::sqrt(float(c.hidden_size));
  const bool is_wide = c.layers == c.architecture.wide_query_layers;
  const double usual = std::sqrt(double(c.head_dim));
  const double divisor =
      is_wide ? std::sqrt(double(c.hidden_size) / c.heads) : usual;
  GIST_ASSIGN_OR_RETURN(
      const double scale,
      keys.PositiveUnlessZero("attention.scale", 1 / divisor));
  c.query_scale = float(scale * usual);
  return absl::OkStatus();
}

absl::StatusOr<Architecture> WithRopeOrder(const Gguf& file,
                                           Architecture architecture) {
  if (!file.Has(kRopeOrderKey)) return architecture;
  GIST_ASSIGN_OR_RETURN(const std::string order, file.String(kRopeOrderKey));
  if (order != "halves" && order != "interleaved") {
    return absl::DataLossError(
        fmt::format("{} is {:?}, want \"halves\" or \"interleaved\"",
                    kRopeOrderKey, order));
  }
  architecture.rope_order =
      order == "halves" ? RopeOrder::kHalves : RopeOrder::kInterleaved;
  return architecture;
}

}  // namespace

absl::StatusOr<ModelConfig> ModelConfig::FromGguf(const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const std::string name,
                        file.String("general.architecture"));
  GIST_ASSIGN_OR_RETURN(const Architecture architecture,
                        FindArchitecture(name));
  return FromGguf(file, architecture);
}

absl::StatusOr<ModelConfig> ModelConfig::FromGguf(const Gguf& file,
                                                  const Architecture& row) {
  GIST_ASSIGN_OR_RETURN(const Architecture architecture,
                        WithRopeOrder(file, row));
  const PrefixedKeys keys(file, architecture.key_prefix);
  GIST_RETURN_IF_ERROR(CheckKeys(file, architecture));
  ModelConfig config{.architecture = architecture, .name = {}};
  if (file.Has("general.name")) {
    GIST_ASSIGN_OR_RETURN(config.name, file.String("general.name"));
  }
  GIST_RETURN_IF_ERROR(ReadSizes(keys, &config));
  GIST_RETURN_IF_ERROR(ReadScales(keys, &config));
  GIST_RETURN_IF_ERROR(CheckTensorNames(file, config));
  GIST_ASSIGN_OR_RETURN(
      LayerKinds kinds,
      ReadLayerKinds(file, architecture,
                     {.layers = config.layers,
                      .head_dim = config.head_dim,
                      .context_tokens = config.max_context_tokens}));
  config.kinds = std::move(kinds.kinds);
  config.kind_of_layer = std::move(kinds.of_layer);
  return config;
}

}  // namespace gist
