// Zip files of strangers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gist::client {

struct UnzipLimits {
  int64_t max_files = 1000;
  int64_t max_bytes = int64_t{16} << 30;  // of all files, unpacked
};

// Unpacks the files of `zip` below the existing folder `folder`, and names
// them. A file that is there already is not touched but is an error. On an
// error the files that were unpacked by then are removed. Errors:
// kInvalidArgument (a path that leaves the folder, a link or a device),
// kDataLoss (no zip file, or a damaged one), kResourceExhausted (more or larger
// files than allowed), kAlreadyExists, kInternal (the disk).
absl::StatusOr<std::vector<std::string>> Unzip(const std::string& zip,
                                               const std::string& folder,
                                               const UnzipLimits& limits);

}  // namespace gist::client
