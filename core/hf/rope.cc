#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hf/config_reader.h"

namespace gist {
namespace {

using Json = nlohmann::json;

// The keys of each RoPE type beside those of all types.
struct RopeType {
  std::string_view name, keys;
};
constexpr RopeType kRopeTypes[] = {
    {"default", ""},
    {"linear", "factor"},
    {"llama3",
     "factor low_freq_factor high_freq_factor "
     "original_max_position_embeddings"},
    {"yarn",
     "factor original_max_position_embeddings attention_factor beta_fast "
     "beta_slow mscale mscale_all_dim truncate finetuned"},
    {"longrope",
     "factor original_max_position_embeddings attention_factor long_factor "
     "short_factor"},
};
constexpr std::string_view kCommonKeys =
    "rope_type type rope_theta partial_rotary_factor";

// One dictionary: rope_scaling, or rope_parameters or a part of it.
class RopeReader {
 public:
  RopeReader(const Json& config, const Json& rope, const HfKind& kind,
             HfConfig* result)
      : config_(config), rope_(rope), kind_(kind), result_(*result) {}

  absl::Status Read() {
    GIST_ASSIGN_OR_RETURN(const std::string type, Type());
    const auto row = std::ranges::find(kRopeTypes, type, &RopeType::name);
    for (const auto& [key, value] : rope_.items()) {
      if (value.is_null() || HasWord(kCommonKeys, key) ||
          HasWord(row->keys, key)) {
        continue;
      }
      return absl::UnimplementedError(
          fmt::format("RoPE's key {} is not known for the type {} and may "
                      "change what the model computes",
                      Quoted(key), type));
    }
    GIST_ASSIGN_OR_RETURN(const double base, Base());
    Set("rope.freq_base", base);
    GIST_RETURN_IF_ERROR(ReadDimensions());
    if (type == "linear") return ReadLinear();
    if (type == "llama3") return ReadLlama3(base);
    if (type == "yarn") return ReadYarn();
    if (type == "longrope") return ReadLongRope();
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Type() const {
    const Json& field = FieldOf(rope_, "rope_type").is_null()
                            ? FieldOf(rope_, "type")
                            : FieldOf(rope_, "rope_type");
    if (field.is_null()) return "default";
    const std::string type = field.is_string() ? field : "";
    if (type == "default") return type;
    if (HasWord(kind_.rope_types, type)) {
      return HasWord(kind_.rope_types, "longrope") ? "longrope" : type;
    }
    return absl::UnimplementedError(
        fmt::format("RoPE's type is {}, supported for {}: default {}",
                    ShownJson(field), kind_.model_type, kind_.rope_types));
  }

  absl::StatusOr<double> Base() const {
    for (const Json* from : {&rope_, &config_}) {
      const Json& base = FieldOf(*from, "rope_theta");
      if (!base.is_null()) return JsonPositive(base, "rope_theta");
    }
    return kind_.rope_base;
  }

 private:
  void Set(std::string_view key, GgufValue value) {
    result_.values[fmt::format("{}.{}", kind_.architecture, key)] =
        std::move(value);
  }
  absl::StatusOr<double> Positive(const char* name) const {
    return JsonPositive(FieldOf(rope_, name), name);
  }
  absl::StatusOr<double> PositiveOr(const char* name, double fallback) const {
    if (FieldOf(rope_, name).is_null()) return fallback;
    return Positive(name);
  }
  absl::StatusOr<int64_t> HeadDim() const { return HfHeadDim(config_); }
  absl::StatusOr<int64_t> ContextTokens() const {
    return JsonSize(FieldOf(config_, "max_position_embeddings"),
                    "max_position_embeddings");
  }
  absl::StatusOr<int64_t> OriginalContext() const {
    constexpr char kName[] = "original_max_position_embeddings";
    const Json& own = FieldOf(rope_, kName);
    const Json& top = FieldOf(config_, kName);
    if (kind_.model_type == "phi3" && !top.is_null())
      return JsonSize(top, kName);
    return own.is_null() ? ContextTokens() : JsonSize(own, kName);
  }

  absl::Status ReadDimensions() {
    for (const Json* from : {&rope_, &config_}) {
      const Json& share = FieldOf(*from, "partial_rotary_factor");
      if (share.is_null()) continue;
      GIST_ASSIGN_OR_RETURN(const double number,
                            JsonPositive(share, "partial_rotary_factor"));
      if (number == 1) continue;
      if (number > 1 || !kind_.has_partial_rope) {
        return absl::UnimplementedError(fmt::format(
            "partial_rotary_factor is {}, supported for {}: 1{}", number,
            kind_.model_type, kind_.has_partial_rope ? " and less" : ""));
      }
      share_ = number;
      break;
    }
    if (share_ == 1) return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(const int64_t dims, HeadDim());
    Set("rope.dimension_count", int64_t(double(dims) * share_));
    return absl::OkStatus();
  }

  absl::Status ReadLinear() {
    GIST_ASSIGN_OR_RETURN(const double factor, Positive("factor"));
    Set("rope.scaling.type", std::string("linear"));
    Set("rope.scaling.factor", factor);
    return absl::OkStatus();
  }

  // Slow pairs turn `factor` times slower, fast ones as before, and a ramp lies
  // between. Source: convert_hf_to_gguf.py of llama.cpp, rope_freqs.
  absl::Status ReadLlama3(double base) {
    GIST_ASSIGN_OR_RETURN(const double factor, Positive("factor"));
    GIST_ASSIGN_OR_RETURN(const double low, Positive("low_freq_factor"));
    GIST_ASSIGN_OR_RETURN(const double high, Positive("high_freq_factor"));
    GIST_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
    GIST_ASSIGN_OR_RETURN(const int64_t dims, HeadDim());
    if (high <= low) {
      return absl::DataLossError(
          fmt::format("high_freq_factor is {}, want more than "
                      "low_freq_factor, {}",
                      high, low));
    }
    std::vector<float>& divisors = result_.rope_tensors["rope_freqs.weight"];
    for (int64_t i = 0; i < dims; i += 2) {
      const double wave =
          2 * std::numbers::pi * std::pow(base, double(i) / double(dims));
      const double turns = double(original) / wave;  // over the old context
      const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
      divisors.push_back(float(1 / ((1 - kept) / factor + kept)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadYarn() {
    GIST_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
    GIST_ASSIGN_OR_RETURN(const int64_t context, ContextTokens());
    GIST_ASSIGN_OR_RETURN(
        const double factor,
        PositiveOr("factor", double(context) / double(original)));
    Set("rope.scaling.type", std::string("yarn"));
    Set("rope.scaling.factor", factor);
    Set("rope.scaling.original_context_length", original);
    for (const auto& [name, key] :
         {std::pair{"beta_fast", "rope.scaling.yarn_beta_fast"},
          {"beta_slow", "rope.scaling.yarn_beta_slow"}}) {
      if (FieldOf(rope_, name).is_null()) continue;
      GIST_ASSIGN_OR_RETURN(const double beta, Positive(name));
      Set(key, beta);
    }
    const Json& truncate = FieldOf(rope_, "truncate");
    if (!truncate.is_null() && truncate != true) {
      return absl::UnimplementedError(fmt::format(
          "RoPE's truncate is {}, supported: true", ShownJson(truncate)));
    }
    return ReadYarnAttention(factor);
  }

  absl::Status ReadYarnAttention(double factor) {
    const auto scale = [factor](double m) {
      return factor > 1 ? 0.1 * m * std::log(factor) + 1 : 1;
    };
    const bool has_scales = !FieldOf(rope_, "mscale").is_null() &&
                            !FieldOf(rope_, "mscale_all_dim").is_null();
    double usual = scale(1);
    if (has_scales) {
      GIST_ASSIGN_OR_RETURN(const double of_all, Positive("mscale_all_dim"));
      GIST_ASSIGN_OR_RETURN(const double of_rope, Positive("mscale"));
      usual = scale(of_rope) / scale(of_all);
    }
    GIST_ASSIGN_OR_RETURN(const double attention,
                          PositiveOr("attention_factor", usual));
    Set("rope.scaling.yarn_attn_factor", attention);
    return absl::OkStatus();
  }

  // Source: LongRoPE (arXiv:2402.13753), as Phi-3 has it.
  absl::Status ReadLongRope() {
    GIST_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
    GIST_ASSIGN_OR_RETURN(const int64_t context, ContextTokens());
    GIST_ASSIGN_OR_RETURN(
        const double factor,
        PositiveOr("factor", double(context) / double(original)));
    const double usual =
        factor <= 1 || original < 2
            ? 1
            : std::sqrt(1 + std::log(factor) / std::log(double(original)));
    GIST_ASSIGN_OR_RETURN(const double attention,
                          PositiveOr("attention_factor", usual));
    Set("rope.scaling.type", std::string("longrope"));
    Set("rope.scaling.original_context_length", original);
    Set("rope.scaling.attn_factor", attention);
    GIST_ASSIGN_OR_RETURN(const int64_t dims, HeadDim());
    for (const auto& [name, tensor] :
         {std::pair{"long_factor", "rope_factors_long.weight"},
          {"short_factor", "rope_factors_short.weight"}}) {
      GIST_ASSIGN_OR_RETURN(std::vector<float> divisors,
                            JsonPositives(FieldOf(rope_, name), name));
      const auto wanted = size_t(double(dims) * share_) / 2;
      if (divisors.size() != wanted) {
        return absl::DataLossError(fmt::format(
            "{} has {} numbers, want {}, one for each pair of a head's turned "
            "dimensions",
            name, divisors.size(), wanted));
      }
      result_.rope_tensors[tensor] = std::move(divisors);
    }
    return absl::OkStatus();
  }

  const Json& config_;
  const Json& rope_;
  const HfKind& kind_;
  HfConfig& result_;
  double share_ = 1;  // of a head's dimensions that are turned
};

// The layers with a window turn by a base of their own, unscaled.
absl::Status ReadLocalRope(const Json& config, const Json& rope,
                           const HfKind& kind, HfConfig* result) {
  const RopeReader reader(config, rope, kind, result);
  GIST_ASSIGN_OR_RETURN(const std::string type, reader.Type());
  if (type != "default") {
    return absl::UnimplementedError(fmt::format(
        "RoPE's type of sliding_attention is {}, supported: default", type));
  }
  double base = 10000;
  for (const Json* value : {&FieldOf(config, "rope_local_base_freq"),
                            &FieldOf(rope, "rope_theta")}) {
    if (value->is_null()) continue;
    GIST_ASSIGN_OR_RETURN(base, JsonPositive(*value, "local RoPE base"));
  }
  result->values[fmt::format("{}.rope.freq_base_swa", kind.architecture)] =
      base;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadHfRope(const Json& config, const HfKind& kind,
                        HfConfig* result) {
  static const Json kNothing = Json::object();
  const Json& scaling = FieldOf(config, "rope_scaling");
  const Json& parameters = FieldOf(config, "rope_parameters");
  for (const auto& [name, value] : {std::pair{"rope_scaling", &scaling},
                                    {"rope_parameters", &parameters}}) {
    if (value->is_null() || value->is_object()) continue;
    return absl::DataLossError(
        fmt::format("{} is {}, want an object", name, ShownJson(*value)));
  }
  if (scaling.is_object() && parameters.is_object() && scaling != parameters) {
    return absl::UnimplementedError(
        "rope_scaling and rope_parameters differ; want one of them");
  }
  const Json& rope = scaling.is_object()      ? scaling
                     : parameters.is_object() ? parameters
                                              : kNothing;
  if (kind.model_type != "gemma3_text")
    return RopeReader(config, rope, kind, result).Read();
  const bool is_nested = rope.contains("full_attention");
  const Json& full = is_nested ? FieldOf(rope, "full_attention") : rope;
  const Json& local = FieldOf(rope, "sliding_attention");
  if (!full.is_object() || (is_nested && rope.size() > 2) ||
      !(local.is_null() || local.is_object())) {
    return absl::UnimplementedError(
        "rope_parameters: want objects full_attention and sliding_attention "
        "alone");
  }
  GIST_RETURN_IF_ERROR(RopeReader(config, full, kind, result).Read());
  return ReadLocalRope(config, local.is_null() ? kNothing : local, kind,
                       result);
}

}  // namespace gist
