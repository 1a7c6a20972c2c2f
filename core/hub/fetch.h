// A file from the web.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace gist {

struct FetchLimits {
  int64_t max_bytes = int64_t{4} << 30;
  int connect_seconds = 20;
  int stall_seconds = 60;  // as in HttpRequest
};

// Bytes of the file so far and of the whole; 0: not known.
using FetchProgress = std::function<void(int64_t done, int64_t total)>;

// Downloads `url` (http or https, redirects followed) to the new file `path`.
// On an error nothing is left there. Errors: kInvalidArgument (no such kind of
// URL), kNotFound (the server has no such file), kUnavailable (not reachable,
// stalled, ended early), kResourceExhausted (larger than max_bytes),
// kFailedPrecondition (redirects without end), kCancelled, and those of the
// disk.
absl::Status Fetch(const std::string& url, const std::string& path,
                   const FetchLimits& limits, const FetchProgress& progress,
                   std::stop_token stop);

struct ResumableFetch {
  std::string url;
  std::string token;  // as in HttpRequest
  std::string path;   // its present bytes are kept and continued
  int64_t bytes = 0;  // of the whole file
  int connect_seconds = 20;
  int stall_seconds = 60;
  // Gives up after so many attempts in a row without progress: further bytes at
  // kLeastBytesPerSecond, the wait before the attempt included.
  int attempts = 5;
  // Before the second attempt, doubled before each further one, up to a minute.
  // A server's Retry-After of up to a minute counts instead.
  double backoff_seconds = 1;
};

// Appends to `path` until it has `bytes` bytes, by Range requests, each with
// If-Range where the ETag is known. A server that sends the whole file, or
// another one, begins it again. Errors: those of HttpError; kUnavailable with
// the attempts; kDataLoss (more bytes than `bytes`); kResourceExhausted (the
// disk is full); kFailedPrecondition (redirects without end). `path` stays for
// the next call to continue.
absl::Status FetchResumably(const ResumableFetch& fetch,
                            const FetchProgress& progress,
                            std::stop_token stop);

}  // namespace gist
