// One HTTP request by libcurl.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

struct HttpRequest {
  std::string url;  // http or https
  bool head = false;
  bool follow_redirects = true;
  // Bearer token; never sent to another scheme, host or port than the URL's.
  std::string token;
  int64_t begin = 0;     // asks for the bytes from here on, if above 0
  std::string if_range;  // an ETag: the range holds for this content alone
  int connect_seconds = 20;
  // A transfer has stalled that brings no body for this long, or less than
  // kLeastBytesPerSecond on average over this long.
  int stall_seconds = 60;
  // For the whole request, if its body is kept: there is no sink.
  int kept_seconds = 300;
};

// A slower body is no progress: a server must not hold a caller by a drip.
inline constexpr int kLeastBytesPerSecond = 100;

struct HttpReply {
  long status = 0;
  // Of the last reply; names in lower case.
  std::map<std::string, std::string> headers;
  std::string body;      // without a sink; of errors the first 64 KiB
  std::string redirect;  // the URL that a redirect leads to, if not followed

  // Empty: there is none.
  std::string Header(const std::string& lower_case_name) const;
};

// Takes a part of the body of a reply below 400. An error ends the transfer
// and is what PerformHttp returns.
using HttpSink =
    std::function<absl::Status(const HttpReply& reply, std::string_view bytes)>;

// Called at least once a second. `total`: bytes of this reply, 0: not known.
using HttpTick = std::function<void(int64_t total)>;

// Returns a reply of any status: the caller judges it. Without a sink the body
// is kept, up to 64 MiB. A status of 400 or more is a reply as soon as its body
// has 64 KiB, stalls or breaks off. Errors: kInvalidArgument (no http or https
// URL), kUnavailable (not reachable, stalled, ended early, over kept_seconds),
// kCancelled, kDataLoss (over 64 MiB of a kept body or 256 KiB of headers),
// kFailedPrecondition (over 10 redirects), those of `sink`. They begin with the
// URL.
absl::StatusOr<HttpReply> PerformHttp(const HttpRequest& request,
                                      const HttpSink& sink = {},
                                      const HttpTick& tick = {},
                                      std::stop_token stop = {});

// kNotFound (404, 410), kPermissionDenied (401, 403), kUnavailable (429, 5xx),
// kFailedPrecondition (others): "URL: HTTP status 404".
absl::Status HttpError(const HttpReply& reply, std::string_view url);

}  // namespace gist
