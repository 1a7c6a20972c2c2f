#include "core/embed/json_file.h"

#include <utility>

#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "fmt/format.h"

namespace gist {

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto json = nlohmann::json::parse(file.bytes(), nullptr,
                                    /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return absl::DataLossError(
      fmt::format("{}: want a JSON object, found {}", path,
                  json.is_discarded() ? "no JSON" : json.type_name()));
}

}  // namespace gist
