// Reading values of config.json. For this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/hf/config.h"
#include "core/hf/model_kind.h"
#include "nlohmann/json.hpp"

namespace gist {

// `value` as an error shows it.
std::string ShownJson(const nlohmann::json& value);

// kDataLoss: null, or not of the type, or out of range. The message has `name`.
absl::StatusOr<int64_t> JsonSize(const nlohmann::json& value,
                                 std::string_view name);
// A finite number above 0.
absl::StatusOr<double> JsonPositive(const nlohmann::json& value,
                                    std::string_view name);
absl::StatusOr<std::vector<float>> JsonPositives(const nlohmann::json& value,
                                                 std::string_view name);
// An integer or a list of them, none below 0; empty: null.
absl::StatusOr<std::vector<int64_t>> JsonIds(const nlohmann::json& value,
                                             std::string_view name);

// num_hidden_layers; kDataLoss: over 4,096.
absl::StatusOr<int64_t> HfLayers(const nlohmann::json& config);
// head_dim, else hidden_size / num_attention_heads; kDataLoss: over 4,096.
absl::StatusOr<int64_t> HfHeadDim(const nlohmann::json& config);

// RoPE's keys and tensors: rope_theta, rope_scaling, rope_parameters. Reads
// the values that config.cc has put into `result`.
absl::Status ReadHfRope(const nlohmann::json& config, const HfKind& kind,
                        HfConfig* result);

}  // namespace gist
