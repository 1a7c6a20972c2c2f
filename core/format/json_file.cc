#include "core/format/json_file.h"

#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "fmt/format.h"

namespace gist {
namespace {

bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMostJsonDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text,
                                         std::string_view name,
                                         nlohmann::json::value_t type) {
  const std::string wanted = nlohmann::json(type).type_name();
  if (IsTooDeep(text)) {
    return absl::DataLossError(
        fmt::format("{}: want a JSON {} of at most {} levels, found more", name,
                    wanted, kMostJsonDepth));
  }
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.type() == type) return json;
  return absl::DataLossError(
      fmt::format("{}: want a JSON {}, found {}", name, wanted,
                  json.is_discarded() ? "no JSON" : json.type_name()));
}

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path,
                                            nlohmann::json::value_t type) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return ParseJson(file.bytes(), path, type);
}

const nlohmann::json& FieldOf(const nlohmann::json& object, const char* field) {
  static const nlohmann::json kNull;
  const auto found = object.find(field);
  return found == object.end() ? kNull : *found;
}

absl::Status WantSetting(const nlohmann::json& found,
                         const nlohmann::json& wanted, const char* name,
                         const char* kind) {
  using Json = nlohmann::json;
  if (found == wanted) return absl::OkStatus();
  return absl::UnimplementedError(fmt::format(
      "{} is {}, supported is {} ({})", name,
      Quoted(found.dump(-1, ' ', true, Json::error_handler_t::replace)),
      wanted.dump(), kind));
}

}  // namespace gist
