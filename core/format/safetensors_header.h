// The JSON header of a safetensors file, as it stands there: offsets and shapes
// are numbers, not yet checked against each other or the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

inline constexpr char kSafeTensorsMetadataKey[] = "__metadata__";

// The start of a name that may be megabytes long, for a message.
inline std::string_view Shown(std::string_view name) {
  return name.substr(0, 100);
}

struct SafeTensorsEntry {
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct SafeTensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafeTensorsEntry> entries;
};

// Reads event by event and stops at the first that does not belong there, so
// that no JSON costs more than its own size. kDataLoss: not JSON, a name, field
// or metadata key that occurs twice, a field that is unknown, missing or of the
// wrong type, a number that is negative or over 2^63 - 1.
absl::StatusOr<SafeTensorsHeader> ParseSafeTensorsHeader(std::string_view json);

}  // namespace gist
