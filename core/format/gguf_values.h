// The metadata of a GGUF file: its keys and values.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "core/format/gguf.h"
#include "core/format/gguf_reader.h"

namespace gist {

// Reads one key and its value into `values`. kDataLoss: as GgufReader, an
// unknown type, a bool other than 0 and 1, a key that `values` holds already.
// kUnimplemented: an array of arrays.
absl::Status ReadGgufKeyValue(GgufReader& reader,
                              std::map<std::string, GgufValue>& values);

}  // namespace gist
