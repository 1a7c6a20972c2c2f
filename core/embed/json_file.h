// A JSON file of a model's folder. For this folder.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace gist {

// kDataLoss: no JSON object. Else as MappedFile::Open.
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path);

}  // namespace gist
