#include "core/model/model_config.h"

#include <limits>

#include "core/base/status.h"

namespace gist {
namespace {

// A size that must be there and positive.
absl::StatusOr<int> Size(const Gguf& file, const std::string& key) {
  GIST_ASSIGN_OR_RETURN(const int64_t value, file.Int(key));
  if (value < 1 || value > std::numeric_limits<int>::max() / 4) {
    return absl::DataLossError(
        fmt::format("{} is {}, want a positive size", key, value));
  }
  return int(value);
}

absl::StatusOr<double> FloatOr(const Gguf& file, const std::string& key,
                               double fallback) {
  if (!file.Has(key)) return fallback;
  return file.Float(key);
}

absl::Status CheckSupported(const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const std::string architecture,
                        file.String("general.architecture"));
  if (architecture != "llama") {
    return absl::UnimplementedError(
        fmt::format("architecture \"{}\", supported: \"llama\"", architecture));
  }
  if (file.Has("llama.rope.scaling.type")) {
    GIST_ASSIGN_OR_RETURN(const std::string scaling,
                          file.String("llama.rope.scaling.type"));
    if (scaling != "none") {
      return absl::UnimplementedError(
          fmt::format("RoPE scaling \"{}\", supported: none", scaling));
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (name == "rope_freqs.weight" || name.ends_with(".bias")) {
      return absl::UnimplementedError(
          fmt::format("tensor {} is of a Llama variant that is not supported "
                      "(supported: no biases, no RoPE frequency factors)",
                      name));
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
  GIST_RETURN_IF_ERROR(CheckSupported(file));
  ModelConfig config;
  if (file.Has("general.name")) {
    GIST_ASSIGN_OR_RETURN(config.name, file.String("general.name"));
  }
  GIST_ASSIGN_OR_RETURN(config.layers, Size(file, "llama.block_count"));
  GIST_ASSIGN_OR_RETURN(config.hidden_size,
                        Size(file, "llama.embedding_length"));
  GIST_ASSIGN_OR_RETURN(config.heads, Size(file, "llama.attention.head_count"));
  config.kv_heads = config.heads;
  if (file.Has("llama.attention.head_count_kv")) {
    GIST_ASSIGN_OR_RETURN(config.kv_heads,
                          Size(file, "llama.attention.head_count_kv"));
  }
  config.head_dim = config.hidden_size / config.heads;
  if (file.Has("llama.attention.key_length")) {
    GIST_ASSIGN_OR_RETURN(config.head_dim,
                          Size(file, "llama.attention.key_length"));
  }
  GIST_ASSIGN_OR_RETURN(config.mlp_size,
                        Size(file, "llama.feed_forward_length"));
  GIST_ASSIGN_OR_RETURN(config.max_context_tokens,
                        Size(file, "llama.context_length"));
  GIST_ASSIGN_OR_RETURN(const double base,
                        FloatOr(file, "llama.rope.freq_base", 10000.0));
  GIST_ASSIGN_OR_RETURN(
      const double epsilon,
      FloatOr(file, "llama.attention.layer_norm_rms_epsilon", 1e-5));
  config.rope_base = float(base);
  config.rms_norm_epsilon = float(epsilon);
  GIST_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                        file.Tensor("token_embd.weight"));
  config.vocab_size = embedding->dims.size() == 2 ? int(embedding->dims[1]) : 0;
  GIST_RETURN_IF_ERROR(CheckSizes(config));
  return config;
}

}  // namespace gist
