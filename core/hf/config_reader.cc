#include "core/hf/config_reader.h"

#include <cmath>
#include <limits>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"

namespace gist {

using Json = nlohmann::json;

namespace {

// Lists of this length are made; a file that lies takes no more memory.
absl::StatusOr<int64_t> AtMost4096(int64_t size, std::string_view name) {
  if (size <= 4096) return size;
  return absl::DataLossError(
      fmt::format("{} is {}, want at most 4096", name, size));
}

}  // namespace

std::string ShownJson(const Json& value) {
  if (value.is_null()) return "missing";
  return Quoted(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

absl::StatusOr<int64_t> JsonSize(const Json& value, std::string_view name) {
  constexpr int64_t kMost = int64_t{1} << 28;
  if (value.is_number_unsigned() && value.get<uint64_t>() >= 1 &&
      value.get<uint64_t>() <= kMost) {
    return value.get<int64_t>();
  }
  return absl::DataLossError(fmt::format("{} is {}, want a size from 1 to {}",
                                         name, ShownJson(value), kMost));
}

absl::StatusOr<double> JsonPositive(const Json& value, std::string_view name) {
  if (value.is_number() && value.get<double>() > 0 &&
      std::isfinite(value.get<double>())) {
    return value.get<double>();
  }
  return absl::DataLossError(
      fmt::format("{} is {}, want a number above 0", name, ShownJson(value)));
}

absl::StatusOr<std::vector<float>> JsonPositives(const Json& value,
                                                 std::string_view name) {
  std::vector<float> numbers;
  if (!value.is_array()) {
    return absl::DataLossError(fmt::format("{} is {}, want a list of numbers",
                                           name, ShownJson(value)));
  }
  for (const Json& each : value) {
    GIST_ASSIGN_OR_RETURN(const double number, JsonPositive(each, name));
    numbers.push_back(float(number));
  }
  return numbers;
}

absl::StatusOr<std::vector<int64_t>> JsonIds(const Json& value,
                                             std::string_view name) {
  std::vector<int64_t> ids;
  if (value.is_null()) return ids;
  for (const Json& each : value.is_array() ? value : Json::array({value})) {
    if (!each.is_number_unsigned() ||
        each.get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
      return absl::DataLossError(
          fmt::format("{} is {}, want ids of tokens", name, ShownJson(value)));
    }
    ids.push_back(each.get<int64_t>());
  }
  return ids;
}

absl::StatusOr<int64_t> HfLayers(const Json& config) {
  constexpr char kName[] = "num_hidden_layers";
  GIST_ASSIGN_OR_RETURN(const int64_t layers,
                        JsonSize(FieldOf(config, kName), kName));
  return AtMost4096(layers, kName);
}

absl::StatusOr<int64_t> HfHeadDim(const Json& config) {
  if (const Json& size = FieldOf(config, "head_dim"); !size.is_null()) {
    GIST_ASSIGN_OR_RETURN(const int64_t own, JsonSize(size, "head_dim"));
    return AtMost4096(own, "head_dim");
  }
  GIST_ASSIGN_OR_RETURN(
      const int64_t hidden,
      JsonSize(FieldOf(config, "hidden_size"), "hidden_size"));
  GIST_ASSIGN_OR_RETURN(
      const int64_t heads,
      JsonSize(FieldOf(config, "num_attention_heads"), "num_attention_heads"));
  return AtMost4096(hidden / heads, "hidden_size / num_attention_heads");
}

}  // namespace gist
