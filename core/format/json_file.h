// A JSON file of a model's folder. For this folder.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace gist {

// kDataLoss: no JSON, or not of `type`. Else as MappedFile::Open.
absl::StatusOr<nlohmann::json> ReadJsonFile(
    const std::string& path,
    nlohmann::json::value_t type = nlohmann::json::value_t::object);

// What `field` of `object` says; null where there is none. Borrows.
const nlohmann::json& FieldOf(const nlohmann::json& object, const char* field);

// A setting that changes the tokens. kUnimplemented: it is not `wanted`, as
// models of this `kind` have it.
absl::Status WantSetting(const nlohmann::json& found,
                         const nlohmann::json& wanted, const char* name,
                         const char* kind);

}  // namespace gist
