// JSON of strangers: files of a model's folder, replies of a hub.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace gist {

// Levels of objects and lists in one another; more are refused, because
// printing and comparing such a value takes a stack frame a level.
inline constexpr int kMostJsonDepth = 64;

// kDataLoss: no JSON, nested deeper than kMostJsonDepth, or not of `type`;
// `name` begins the message.
absl::StatusOr<nlohmann::json> ParseJson(
    std::string_view text, std::string_view name,
    nlohmann::json::value_t type = nlohmann::json::value_t::object);

// ParseJson of a file, with its path in messages. Else as MappedFile::Open.
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
