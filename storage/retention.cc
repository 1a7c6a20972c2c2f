#include "storage/retention.h"

#include "core/base/checksum.h"
#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

}  // namespace

std::string SealRetention(std::string_view context_id,
                          const Retention& retention) {
  const Json json = {{"expire_unix_ms", retention.expire_unix_ms},
                     {"pinned", retention.pinned}};
  return Seal(context_id, json.dump());
}

absl::StatusOr<Retention> UnsealRetention(std::string_view context_id,
                                          std::string_view value) {
  GIST_ASSIGN_OR_RETURN(const std::string_view text, Unseal(context_id, value));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto field = [&json](const char* name) {
    return json.is_object() && json.contains(name) ? json[name] : Json();
  };
  const Json expires = field("expire_unix_ms"), pinned = field("pinned");
  if (!expires.is_number_integer() || !pinned.is_boolean() ||
      expires.get<int64_t>() < 0) {
    return absl::DataLossError(
        "the retention is no JSON object with expire_unix_ms, 0 or more, and "
        "pinned");
  }
  return Retention{expires.get<int64_t>(), pinned.get<bool>()};
}

}  // namespace gist
