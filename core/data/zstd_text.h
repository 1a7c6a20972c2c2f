// Text stored in the Zstandard format (RFC 8878), as large results are.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// True for bytes that begin with Zstandard's magic number. No JSON does.
bool IsZstd(std::string_view bytes);

// The text of all frames in `bytes`. kDataLoss: damaged or cut short, or more
// than 1 GiB of text.
absl::StatusOr<std::string> ExpandZstd(std::string_view bytes);

// One frame with a checksum. kInternal: the library failed.
absl::StatusOr<std::string> CompressZstd(std::string_view text);

}  // namespace gist
