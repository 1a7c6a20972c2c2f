#include "core/model/architectures/layer_kind.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/base/status.h"
#include "core/model/architectures/prefixed_keys.h"

namespace gist {
namespace {

constexpr char kFreqsTensor[] = "rope_freqs.weight";
constexpr char kLongTensor[] = "rope_factors_long.weight";
constexpr char kShortTensor[] = "rope_factors_short.weight";

struct RopeScaling {
  bool is_yarn = false;
  double factor = 1;
  double original_context = 0;
  double beta_fast = 32;
  double beta_slow = 1;
  double attention = 1;  // of turned queries and keys
};

absl::StatusOr<double> FactorOf(const PrefixedKeys& keys) {
  const char* const key = keys.Has("rope.scaling.factor")
                              ? "rope.scaling.factor"
                              : "rope.scale_linear";
  return keys.PositiveUnlessZero(key, 1);
}

absl::Status ReadYarn(const PrefixedKeys& keys, int context,
                      RopeScaling* scaling) {
  scaling->is_yarn = true;
  GIST_ASSIGN_OR_RETURN(
      scaling->original_context,
      keys.PositiveOr("rope.scaling.original_context_length", context));
  GIST_ASSIGN_OR_RETURN(scaling->beta_fast,
                        keys.PositiveOr("rope.scaling.yarn_beta_fast", 32));
  GIST_ASSIGN_OR_RETURN(scaling->beta_slow,
                        keys.PositiveOr("rope.scaling.yarn_beta_slow", 1));
  const double usual =
      scaling->factor > 1 ? 1 + std::log(scaling->factor) / 10 : 1;
  GIST_ASSIGN_OR_RETURN(
      scaling->attention,
      keys.PositiveOr("rope.scaling.yarn_attn_factor", usual));
  return absl::OkStatus();
}

absl::StatusOr<RopeScaling> ReadScaling(const PrefixedKeys& keys,
                                        const Architecture& architecture,
                                        int context) {
  RopeScaling scaling;
  GIST_ASSIGN_OR_RETURN(const std::string type,
                        keys.StringOr("rope.scaling.type", "linear"));
  const bool is_long = architecture.rope_factors == RopeFactors::kLongAndShort;
  if (type == "linear" || (type == "longrope" && is_long)) {
    GIST_ASSIGN_OR_RETURN(scaling.factor, FactorOf(keys));
  } else if (type == "yarn") {
    GIST_ASSIGN_OR_RETURN(scaling.factor, FactorOf(keys));
    GIST_RETURN_IF_ERROR(ReadYarn(keys, context, &scaling));
  } else if (type != "none") {
    return absl::UnimplementedError(fmt::format(
        "{} is {:?}, supported for {}: \"none\", \"linear\", \"yarn\"{}",
        keys.Name("rope.scaling.type"), type, architecture.name,
        is_long ? ", \"longrope\"" : ""));
  }
  GIST_ASSIGN_OR_RETURN(const double factor,
                        keys.PositiveOr("rope.scaling.attn_factor", 1));
  scaling.attention *= factor;
  return scaling;
}

// Divisors of the frequencies; empty: none.
absl::StatusOr<std::vector<float>> Divisors(const Gguf& file,
                                            const std::string& name,
                                            size_t count) {
  GIST_ASSIGN_OR_RETURN(const GgufTensor* tensor, file.Tensor(name));
  if (tensor->dims != std::vector<int64_t>{int64_t(count)}) {
    return absl::DataLossError(fmt::format("tensor {} has dims [{}], want [{}]",
                                           name, fmt::join(tensor->dims, ", "),
                                           count));
  }
  std::vector<float> divisors(count);
  Dequantize(*tensor, divisors.data());
  const auto is_wrong = [](float x) { return !(x > 0) || !std::isfinite(x); };
  if (const auto wrong = std::ranges::find_if(divisors, is_wrong);
      wrong != divisors.end()) {
    return absl::DataLossError(fmt::format(
        "tensor {} holds {}, want finite numbers above 0", name, *wrong));
  }
  return divisors;
}

absl::StatusOr<std::vector<float>> LongOrShort(const PrefixedKeys& keys,
                                               size_t count, int context) {
  if (!keys.file().tensors().contains(kLongTensor) &&
      !keys.file().tensors().contains(kShortTensor)) {
    return std::vector<float>();
  }
  GIST_ASSIGN_OR_RETURN(const int original,
                        keys.Size("rope.scaling.original_context_length"));
  if (context > original && !keys.Has("rope.scaling.attn_factor")) {
    return absl::DataLossError(
        fmt::format("{} is missing, and {} is there: convert the model again",
                    keys.Name("rope.scaling.attn_factor"), kLongTensor));
  }
  return Divisors(keys.file(), context > original ? kLongTensor : kShortTensor,
                  count);
}

absl::StatusOr<std::vector<float>> DivisorsOf(const PrefixedKeys& keys,
                                              const Architecture& architecture,
                                              size_t count, int context) {
  switch (architecture.rope_factors) {
    case RopeFactors::kNone:
      break;
    case RopeFactors::kFreqs:
      if (keys.file().tensors().contains(kFreqsTensor))
        return Divisors(keys.file(), kFreqsTensor, count);
      break;
    case RopeFactors::kLongAndShort:
      return LongOrShort(keys, count, context);
  }
  return std::vector<float>();
}

// Pairs that turn fast enough keep their frequency, slow ones are divided by
// the factor, and a ramp lies between. Source: YaRN (arXiv:2309.00071), with
// bounds rounded to whole pairs as in its authors' code.
class YarnRamp {
 public:
  YarnRamp(const RopeScaling& scaling, double base, int dims)
      : low_(std::max(
            0.0, std::floor(PairOf(scaling, scaling.beta_fast, base, dims)))),
        high_(std::min(dims - 1.0, std::ceil(PairOf(scaling, scaling.beta_slow,
                                                    base, dims)))) {}

  // 1: the pair keeps its frequency.
  double Kept(int pair) const {
    const double width = std::max(0.001, high_ - low_);
    return 1 - std::clamp((pair - low_) / width, 0.0, 1.0);
  }

 private:
  // The pair that turns so many times over the original context.
  static double PairOf(const RopeScaling& scaling, double rotations,
                       double base, int dims) {
    return dims *
           std::log(scaling.original_context /
                    (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(base));
  }
  const double low_, high_;
};

std::vector<float> Scaled(std::vector<float> frequencies,
                          const std::vector<float>& divisors,
                          const RopeScaling& scaling, double base) {
  const YarnRamp ramp(scaling, base, int(frequencies.size()) * 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double plain = divisors.empty()
                             ? double(frequencies[i])
                             : double(frequencies[i]) / double(divisors[i]);
    const double kept = scaling.is_yarn ? ramp.Kept(int(i)) : 0;
    frequencies[i] = float(plain * kept + plain / scaling.factor * (1 - kept));
  }
  return frequencies;
}

// Which layers have the window.
class Windows {
 public:
  static absl::StatusOr<Windows> Read(const PrefixedKeys& keys,
                                      const Architecture& architecture,
                                      int layers) {
    Windows windows;
    GIST_ASSIGN_OR_RETURN(windows.tokens_,
                          keys.CountOr("attention.sliding_window", 0));
    windows.period_ = architecture.window_period;
    constexpr char kPattern[] = "attention.sliding_window_pattern";
    if (!keys.Has(kPattern)) return windows;
    const GgufValue& value = keys.file().values().at(keys.Name(kPattern));
    if (const auto* flags = std::get_if<std::vector<bool>>(&value)) {
      windows.flags_.assign(flags->begin(), flags->end());
    } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
      for (const int64_t each : *ints) windows.flags_.push_back(each != 0);
    } else {
      GIST_ASSIGN_OR_RETURN(windows.period_, keys.CountOr(kPattern, 0));
      return windows;
    }
    if (windows.flags_.size() == size_t(layers)) return windows;
    return absl::DataLossError(
        fmt::format("{} has {} entries, want {}: one for each layer",
                    keys.Name(kPattern), windows.flags_.size(), layers));
  }

  // Of layer `index`; 0: none.
  int Of(int index) const {
    const bool has = !flags_.empty()
                         ? flags_[size_t(index)]
                         : period_ == 0 || index % period_ < period_ - 1;
    return has ? tokens_ : 0;
  }

 private:
  int tokens_ = 0;
  int period_ = 0;  // each such layer has none; 0: all have it
  std::vector<bool> flags_;
};

absl::Status CheckRopeKeys(const PrefixedKeys& keys,
                           const Architecture& architecture, int dims,
                           int head_dim) {
  if (dims % 2 != 0 || dims > head_dim) {
    return absl::DataLossError(
        fmt::format("{} is {}, want an even number up to the head size, {}",
                    keys.Name("rope.dimension_count"), dims, head_dim));
  }
  if (architecture.local_rope_base == 0 && keys.Has("rope.freq_base_swa")) {
    return absl::UnimplementedError(
        fmt::format("{} is there, but {} has one RoPE base for all layers",
                    keys.Name("rope.freq_base_swa"), architecture.name));
  }
  return absl::OkStatus();
}

// RoPE of the layers with and without a window of their own base.
struct Ropes {
  LayerKind global, local;
};

absl::StatusOr<Ropes> ReadRopes(const PrefixedKeys& keys,
                                const Architecture& architecture,
                                const LayerKindSizes& sizes) {
  GIST_ASSIGN_OR_RETURN(const int dims,
                        keys.SizeOr("rope.dimension_count", sizes.head_dim));
  GIST_RETURN_IF_ERROR(CheckRopeKeys(keys, architecture, dims, sizes.head_dim));
  GIST_ASSIGN_OR_RETURN(const double base,
                        keys.PositiveOr("rope.freq_base", 10000));
  GIST_ASSIGN_OR_RETURN(const RopeScaling scaling,
                        ReadScaling(keys, architecture, sizes.context_tokens));
  GIST_ASSIGN_OR_RETURN(
      const std::vector<float> divisors,
      DivisorsOf(keys, architecture, size_t(dims) / 2, sizes.context_tokens));
  Ropes ropes;
  ropes.global.frequencies =
      Scaled(RopeFrequencies(base, dims), divisors, scaling, base);
  ropes.global.rope_scale = float(scaling.attention);
  ropes.local = ropes.global;
  if (architecture.local_rope_base > 0) {
    GIST_ASSIGN_OR_RETURN(
        const double local_base,
        keys.PositiveOr("rope.freq_base_swa", architecture.local_rope_base));
    ropes.local = {.frequencies = RopeFrequencies(local_base, dims)};
  }
  return ropes;
}

}  // namespace

std::vector<float> RopeFrequencies(double base, int dims) {
  std::vector<float> frequencies;
  for (int i = 0; i < dims; i += 2)
    frequencies.push_back(float(std::pow(base, -double(i) / dims)));
  return frequencies;
}

absl::StatusOr<LayerKinds> ReadLayerKinds(const Gguf& file,
                                          const Architecture& architecture,
                                          const LayerKindSizes& sizes) {
  const PrefixedKeys keys(file, architecture.key_prefix);
  GIST_ASSIGN_OR_RETURN(const Ropes ropes,
                        ReadRopes(keys, architecture, sizes));
  GIST_ASSIGN_OR_RETURN(const Windows windows,
                        Windows::Read(keys, architecture, sizes.layers));
  LayerKinds kinds;
  for (int layer = 0; layer < sizes.layers; ++layer) {
    const int window = windows.Of(layer);
    LayerKind kind = window > 0 ? ropes.local : ropes.global;
    kind.window = window;
    const int period = architecture.no_rope_period;
    if (period > 0 && (layer + 1) % period == 0) {
      std::ranges::fill(kind.frequencies, 0.0f);
      kind.rope_scale = 1;
    }
    const auto known = std::ranges::find(kinds.kinds, kind);
    kinds.of_layer.push_back(int(known - kinds.kinds.begin()));
    if (known == kinds.kinds.end()) kinds.kinds.push_back(std::move(kind));
  }
  return kinds;
}

}  // namespace gist
