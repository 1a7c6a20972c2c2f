#include "core/hf/config.h"

#include <algorithm>
#include <cmath>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hf/config_reader.h"
#include "core/hf/model_kind.h"

namespace gist {
namespace {

using Json = nlohmann::json;

constexpr char kSliding[] = "sliding_attention";
constexpr char kFull[] = "full_attention";

absl::Status CheckKey(const std::string& name, const Json& value,
                      const HfKind& kind) {
  const HfKey* const key = FindHfKey(name, kind);
  if (key == nullptr) {
    if (value.is_null() || name.starts_with('_')) return absl::OkStatus();
    return absl::UnimplementedError(fmt::format(
        "key {} is not known for {} and may change what the model computes; "
        "if it does not, remove it",
        Quoted(name), kind.model_type));
  }
  if (key->use != HfUse::kFixed || value.is_null() ||
      value == Json::parse(key->wanted)) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(fmt::format("{} is {}, supported for {}: {}",
                                              name, ShownJson(value),
                                              kind.model_type, key->wanted));
}

// A model for another task has other outputs.
absl::Status CheckArchitectures(const Json& names) {
  if (!names.is_array() || names.empty()) return absl::OkStatus();
  const std::string name = names[0].is_string() ? names[0] : "";
  if (name.ends_with("ForCausalLM")) return absl::OkStatus();
  return absl::UnimplementedError(
      fmt::format("architectures names {}, supported are causal language "
                  "models (...ForCausalLM)",
                  Quoted(name)));
}

class ConfigReader {
 public:
  ConfigReader(const Json& config, const HfKind& kind)
      : config_(config), kind_(kind) {}

  absl::StatusOr<HfConfig> Read() {
    for (const auto& [name, value] : config_.items())
      GIST_RETURN_IF_ERROR(CheckKey(name, value, kind_));
    GIST_RETURN_IF_ERROR(CheckArchitectures(Field("architectures")));
    result_.model_type = kind_.model_type;
    result_.norms_less_one = kind_.norms_less_one;
    result_.values["general.architecture"] = std::string(kind_.architecture);
    result_.values["gist.rope_order"] = std::string("halves");
    GIST_RETURN_IF_ERROR(ReadTable());
    GIST_RETURN_IF_ERROR(ReadHeads());
    GIST_RETURN_IF_ERROR(ReadTied());
    GIST_RETURN_IF_ERROR(ReadWindow());
    GIST_RETURN_IF_ERROR(CheckNoRopeLayers());
    GIST_RETURN_IF_ERROR(ReadQueryScale());
    GIST_RETURN_IF_ERROR(ReadHfRope(config_, kind_, &result_));
    GIST_ASSIGN_OR_RETURN(result_.eos_ids,
                          JsonIds(Field("eos_token_id"), "eos_token_id"));
    return std::move(result_);
  }

 private:
  const Json& Field(const char* name) const { return FieldOf(config_, name); }
  void Set(std::string_view key, GgufValue value) {
    result_.values[fmt::format("{}.{}", kind_.architecture, key)] =
        std::move(value);
  }

  absl::Status ReadTable() {
    for (const HfKey& key : HfKeys()) {
      if (key.gguf.empty() || FindHfKey(key.name, kind_) != &key) continue;
      const Json& value = Field(key.name.data());
      if (value.is_null() && !key.is_needed) continue;
      if (key.use == HfUse::kSize) {
        GIST_ASSIGN_OR_RETURN(const int64_t size, JsonSize(value, key.name));
        Set(key.gguf, size);
      } else {
        GIST_ASSIGN_OR_RETURN(const double number,
                              JsonPositive(value, key.name));
        Set(key.gguf, number);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadHeads() {
    for (const auto& [is_needed, name] :
         {std::pair{kind_.needs_head_dim, "head_dim"},
          {kind_.needs_kv_heads, "num_key_value_heads"}}) {
      if (is_needed) GIST_RETURN_IF_ERROR(JsonSize(Field(name), name).status());
    }
    const Json& head_dim = Field("head_dim");
    if (!head_dim.is_null())
      Set("attention.value_length", head_dim.get<int64_t>());
    return absl::OkStatus();
  }

  absl::Status ReadTied() {
    const Json& tied = Field("tie_word_embeddings");
    result_.says_tied = tied.is_boolean();
    result_.tied = result_.says_tied ? tied.get<bool>() : kind_.tied;
    if (tied.is_null() || tied.is_boolean()) return absl::OkStatus();
    return absl::DataLossError(fmt::format(
        "tie_word_embeddings is {}, want true or false", ShownJson(tied)));
  }

  // Of each layer: has it the window?
  absl::StatusOr<std::vector<bool>> WindowedLayers(int64_t layers) const {
    std::vector<bool> windowed;
    if (const Json& types = Field("layer_types"); !types.is_null()) {
      for (const Json& type : types) {
        if (type != kSliding && type != kFull) {
          return absl::UnimplementedError(
              fmt::format("layer_types holds {}, supported: {}, {}",
                          ShownJson(type), kFull, kSliding));
        }
        windowed.push_back(type == kSliding);
      }
      if (int64_t(windowed.size()) == layers) return windowed;
      return absl::DataLossError(
          fmt::format("layer_types has {} entries, want {}: one for each layer",
                      windowed.size(), layers));
    }
    int64_t period = 0, first = 0;
    if (kind_.model_type == "gemma3_text") {
      const Json& pattern = Field("sliding_window_pattern").is_null()
                                ? Field("_sliding_window_pattern")
                                : Field("sliding_window_pattern");
      period = 6;
      if (!pattern.is_null()) {
        GIST_ASSIGN_OR_RETURN(period,
                              JsonSize(pattern, "sliding_window_pattern"));
      }
    } else if (kind_.model_type == "qwen2" || kind_.model_type == "qwen3") {
      GIST_ASSIGN_OR_RETURN(
          const auto given,
          JsonIds(Field("max_window_layers"), "max_window_layers"));
      first = given.empty() ? 28 : given[0];  // as transformers has it
    } else if (kind_.model_type == "smollm3") {
      return absl::DataLossError(
          "layer_types is missing, want it beside use_sliding_window");
    }
    for (int64_t layer = 0; layer < layers; ++layer) {
      windowed.push_back(layer >= first &&
                         (period == 0 || (layer + 1) % period != 0));
    }
    return windowed;
  }

  absl::Status ReadWindow() {
    const Json& window = Field("sliding_window");
    const HfKey* const use = FindHfKey("use_sliding_window", kind_);
    if (window.is_null() || FindHfKey("sliding_window", kind_) == nullptr ||
        (use != nullptr && Field("use_sliding_window") != true)) {
      return CheckNoSlidingLayers();
    }
    GIST_ASSIGN_OR_RETURN(const int64_t tokens,
                          JsonSize(window, "sliding_window"));
    GIST_ASSIGN_OR_RETURN(const int64_t layers, HfLayers(config_));
    GIST_ASSIGN_OR_RETURN(const std::vector<bool> windowed,
                          WindowedLayers(layers));
    if (std::ranges::find(windowed, true) == windowed.end())
      return absl::OkStatus();
    Set("attention.sliding_window", tokens);
    Set("attention.sliding_window_pattern", windowed);
    return absl::OkStatus();
  }

  absl::Status CheckNoSlidingLayers() const {
    for (const Json& type : Field("layer_types")) {
      if (type != kFull) {
        return absl::UnimplementedError(fmt::format(
            "layer_types holds {} without a sliding_window in use; supported "
            "is {}",
            ShownJson(type), kFull));
      }
    }
    return absl::OkStatus();
  }

  // Each fourth layer, as GGUF's smollm3 has it.
  absl::Status CheckNoRopeLayers() const {
    const Json& list = Field("no_rope_layers");
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] == ((i + 1) % 4 == 0 ? 0 : 1)) continue;
      return absl::UnimplementedError(fmt::format(
          "no_rope_layers[{}] is {}, supported: 0 for each fourth layer, 1 for "
          "the others",
          i, ShownJson(list[i])));
    }
    return absl::OkStatus();
  }

  absl::Status ReadQueryScale() {
    const Json& scalar = Field("query_pre_attn_scalar");
    if (kind_.model_type != "gemma3_text") return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(const double divisor,
                          JsonPositive(scalar, "query_pre_attn_scalar"));
    Set("attention.scale", 1 / std::sqrt(divisor));
    return absl::OkStatus();
  }

  const Json& config_;
  const HfKind& kind_;
  HfConfig result_;
};

}  // namespace

absl::StatusOr<HfConfig> ReadHfConfig(const Json& config) {
  const Json& type = FieldOf(config, "model_type");
  const auto kind = FindHfKind(type.is_string() ? type.get<std::string>() : "");
  if (!kind.ok()) return Within("config.json", kind.status());
  auto result = ConfigReader(config, *kind).Read();
  if (!result.ok()) return Within("config.json", result.status());
  return result;
}

}  // namespace gist
