// config.json of a Hugging Face folder, under GGUF's keys.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "nlohmann/json_fwd.hpp"

namespace gist {

struct HfConfig {
  std::string model_type;
  // Under GGUF's keys: general.architecture, ARCHITECTURE.block_count and so
  // on; gist.rope_order is "halves".
  std::map<std::string, GgufValue> values;
  // Divisors of RoPE's frequencies under GGUF's tensor names.
  std::map<std::string, std::vector<float>> rope_tensors;
  bool tied = false;            // the embedding is the output matrix too
  bool says_tied = false;       // config.json decides on it
  bool norms_less_one = false;  // each norm's weight is stored less 1
  std::vector<int64_t> eos_ids;
};

// Every key counts: one that is not known is refused unless it is null or
// begins with an underscore. kUnimplemented: a model type, key, value or RoPE
// type that is not supported, named; kDataLoss: a value is missing or out of
// range. Messages begin with "config.json: ".
absl::StatusOr<HfConfig> ReadHfConfig(const nlohmann::json& config);

}  // namespace gist
