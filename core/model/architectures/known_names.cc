#include "core/model/architectures/known_names.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace gist {
namespace {

// Behind the architecture's prefix: read by model_config.cc or layer_kind.cc.
constexpr std::string_view kReadKeys[] = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.scale",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
};

// These change nothing: a note, the number of rows of token_embd, the epsilon
// of a LayerNorm that no architecture of the table has.
constexpr std::string_view kHarmlessKeys[] = {
    "attention.layer_norm_epsilon",
    "rope.scaling.finetuned",
    "vocab_size",
};

// Features that are not computed, and the value that means they are off.
struct FixedKey {
  std::string_view key;
  double off;
  std::string_view feature;
};
constexpr FixedKey kFixedKeys[] = {
    {"attention.causal", 1, "attention without a causal mask"},
    {"attention.clamp_kqv", 0, "clamped queries, keys and values"},
    {"attention.max_alibi_bias", 0, "ALiBi"},
    {"attention.shared_kv_layers", 0, "keys and values shared by layers"},
    {"attention.temperature_scale", 0, "queries scaled by their position"},
    {"attn_logit_softcapping", 0, "softcapped attention scores"},
    {"embedding_scale", 1, "scaled embeddings"},
    {"expert_count", 0, "a mixture of experts"},
    {"expert_used_count", 0, "a mixture of experts"},
    {"final_logit_softcapping", 0, "softcapped logits"},
    {"logit_scale", 1, "scaled logits"},
    {"nextn_predict_layers", 0, "layers that predict further tokens"},
    {"pooling_type", 0, "an embedding model"},
    {"residual_scale", 1, "scaled residuals"},
    {"rope.scaling.yarn_ext_factor", 1, "another mix of YaRN"},
    {"rope.scaling.yarn_log_multiplier", 0, "another attention scale of YaRN"},
    {"use_parallel_residual", 0, "attention and MLP side by side"},
};

std::optional<double> Number(const GgufValue& value) {
  return std::visit(
      []<typename T>(const T& held) -> std::optional<double> {
        if constexpr (std::is_arithmetic_v<T>) {
          return double(held);
        } else {
          return std::nullopt;
        }
      },
      value);
}

std::string Text(const GgufValue& value) {
  const auto number = Number(value);
  if (number) return fmt::format("{}", *number);
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? "a list" : fmt::format("{:?}", *text);
}

absl::Status CheckOwnKey(std::string_view key, const std::string& name,
                         const GgufValue& value,
                         const Architecture& architecture) {
  const auto is_key = [&](std::string_view each) { return each == key; };
  if (std::ranges::any_of(kReadKeys, is_key) ||
      std::ranges::any_of(kHarmlessKeys, is_key)) {
    return absl::OkStatus();
  }
  const auto fixed = std::ranges::find(kFixedKeys, key, &FixedKey::key);
  if (fixed == std::end(kFixedKeys)) {
    return absl::UnimplementedError(fmt::format(
        "key {} is not known for {} and may change what the model computes: "
        "use a model without it",
        name, architecture.name));
  }
  if (Number(value) == fixed->off) return absl::OkStatus();
  return absl::UnimplementedError(
      fmt::format("{} is {}, supported: {} ({} is not): use another model",
                  name, Text(value), fixed->off, fixed->feature));
}

}  // namespace

absl::Status CheckKeys(const Gguf& file, const Architecture& architecture) {
  const std::string prefix = std::string(architecture.key_prefix) + ".";
  for (const auto& [name, value] : file.values()) {
    if (name.starts_with(prefix)) {
      GIST_RETURN_IF_ERROR(
          CheckOwnKey(std::string_view(name).substr(prefix.size()), name, value,
                      architecture));
    } else if (name.starts_with("gist.") && name != kRopeOrderKey) {
      return absl::UnimplementedError(fmt::format(
          "key {} is not known: the file is from a newer gistd", name));
    }
  }
  if (!file.Has("general.type")) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string type, file.String("general.type"));
  if (type == "model") return absl::OkStatus();
  return absl::UnimplementedError(fmt::format(
      "general.type is {:?}, want \"model\": use the language model's file",
      type));
}

}  // namespace gist
