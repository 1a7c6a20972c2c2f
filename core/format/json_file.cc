#include "core/format/json_file.h"

#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "fmt/format.h"

namespace gist {

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path,
                                            nlohmann::json::value_t type) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto json = nlohmann::json::parse(file.bytes(), nullptr,
                                    /*allow_exceptions=*/false);
  if (json.type() == type) return json;
  return absl::DataLossError(fmt::format(
      "{}: want a JSON {}, found {}", path, nlohmann::json(type).type_name(),
      json.is_discarded() ? "no JSON" : json.type_name()));
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
