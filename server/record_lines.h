// Samples as JSON Lines.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/record.h"

namespace gist {

// One JSON object a line, its keys Record's fields; `context`, `question` and
// `answer` are there and not empty, others may be left out, unknown ones are
// passed over; so are empty lines. kInvalidArgument: not so, with the line's
// number; or no line at all.
absl::StatusOr<std::vector<Record>> ParseRecordLines(std::string_view text);

}  // namespace gist
