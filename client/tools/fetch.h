// A file from the web.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace gist::client {

struct FetchLimits {
  int64_t max_bytes = int64_t{4} << 30;
  int connect_seconds = 20;
  // A transfer that stays below a byte a second for this long has stalled.
  int stall_seconds = 60;
};

// Downloads `url` (http or https, redirects followed) to the new file `path`,
// with a progress bar. On an error nothing is left there. Errors:
// kInvalidArgument (no such kind of URL), kNotFound (the server has no such
// file), kUnavailable (not reachable, stalled, ended early), kResourceExhausted
// (larger than max_bytes), kCancelled, kInternal (the disk).
absl::Status Fetch(const std::string& url, const std::string& path,
                   const FetchLimits& limits, std::stop_token stop);

}  // namespace gist::client
