#include "core/model/model_config.h"

#include <limits>
#include <string_view>

#include "core/base/status.h"

namespace gist {
namespace {

// Values of one architecture's keys: `key` stands behind its prefix and a dot.
class PrefixedKeys {
 public:
  PrefixedKeys(const Gguf& file, std::string_view prefix)
      : file_(file), prefix_(prefix) {}

  // A size, which must be there and positive.
  absl::StatusOr<int> Size(std::string_view key) const {
    const std::string name = Name(key);
    GIST_ASSIGN_OR_RETURN(const int64_t value, file_.Int(name));
    if (value < 1 || value > std::numeric_limits<int>::max() / 4) {
      return absl::DataLossError(
          fmt::format("{} is {}, want a positive size", name, value));
    }
    return int(value);
  }
  absl::StatusOr<int> SizeOr(std::string_view key, int fallback) const {
    if (!file_.Has(Name(key))) return fallback;
    return Size(key);
  }
  absl::StatusOr<double> FloatOr(std::string_view key, double fallback) const {
    if (!file_.Has(Name(key))) return fallback;
    return file_.Float(Name(key));
  }
  absl::StatusOr<std::string> StringOr(std::string_view key,
                                       std::string fallback) const {
    if (!file_.Has(Name(key))) return fallback;
    return file_.String(Name(key));
  }

 private:
  std::string Name(std::string_view key) const {
    return fmt::format("{}.{}", prefix_, key);
  }

  const Gguf& file_;
  const std::string_view prefix_;
};

bool IsSupportedBias(std::string_view name, const Architecture& architecture) {
  return architecture.attention_biases &&
         (name.ends_with(".attn_q.bias") || name.ends_with(".attn_k.bias") ||
          name.ends_with(".attn_v.bias"));
}

absl::Status CheckSupported(const Gguf& file, const PrefixedKeys& keys,
                            const Architecture& architecture) {
  GIST_ASSIGN_OR_RETURN(const std::string scaling,
                        keys.StringOr("rope.scaling.type", "none"));
  if (scaling != "none") {
    return absl::UnimplementedError(
        fmt::format("RoPE scaling \"{}\", supported: none", scaling));
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (name == "rope_freqs.weight" ||
        (name.ends_with(".bias") && !IsSupportedBias(name, architecture))) {
      return absl::UnimplementedError(fmt::format(
          "tensor {} is of a variant of {} that is not supported "
          "(supported: {} biases, no RoPE frequency factors)",
          name, architecture.name,
          architecture.attention_biases ? "only q, k and v" : "no"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const ModelConfig& config) {
  if (config.heads % config.kv_heads != 0 || config.head_dim % 2 != 0) {
    return absl::DataLossError(
        fmt::format("{} heads, {} KV heads, head size {}: KV heads must "
                    "divide heads and the head size must be even",
                    config.heads, config.kv_heads, config.head_dim));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ModelConfig::FromGguf(const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const std::string name,
                        file.String("general.architecture"));
  GIST_ASSIGN_OR_RETURN(const Architecture architecture,
                        FindArchitecture(name));
  return FromGguf(file, architecture);
}

absl::StatusOr<ModelConfig> ModelConfig::FromGguf(
    const Gguf& file, const Architecture& architecture) {
  const PrefixedKeys keys(file, architecture.key_prefix);
  GIST_RETURN_IF_ERROR(CheckSupported(file, keys, architecture));
  ModelConfig config{.architecture = architecture, .name = {}};
  if (file.Has("general.name")) {
    GIST_ASSIGN_OR_RETURN(config.name, file.String("general.name"));
  }
  GIST_ASSIGN_OR_RETURN(config.layers, keys.Size("block_count"));
  GIST_ASSIGN_OR_RETURN(config.hidden_size, keys.Size("embedding_length"));
  GIST_ASSIGN_OR_RETURN(config.heads, keys.Size("attention.head_count"));
  GIST_ASSIGN_OR_RETURN(config.kv_heads,
                        keys.SizeOr("attention.head_count_kv", config.heads));
  GIST_ASSIGN_OR_RETURN(
      config.head_dim,
      keys.SizeOr("attention.key_length", config.hidden_size / config.heads));
  GIST_ASSIGN_OR_RETURN(config.mlp_size, keys.Size("feed_forward_length"));
  GIST_ASSIGN_OR_RETURN(config.max_context_tokens, keys.Size("context_length"));
  GIST_ASSIGN_OR_RETURN(const double base,
                        keys.FloatOr("rope.freq_base", 10000.0));
  GIST_ASSIGN_OR_RETURN(const double epsilon,
                        keys.FloatOr("attention.layer_norm_rms_epsilon", 1e-5));
  config.rope_base = float(base);
  config.rms_norm_epsilon = float(epsilon);
  GIST_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                        file.Tensor("token_embd.weight"));
  config.vocab_size = embedding->dims.size() == 2 ? int(embedding->dims[1]) : 0;
  GIST_RETURN_IF_ERROR(CheckSizes(config));
  return config;
}

}  // namespace gist
