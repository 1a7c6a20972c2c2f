// What one call says of itself when it ends: to the log, and why it was
// refused.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace gist {

// `value` as a value of logfmt: bare, or in quotes and escaped where it is
// empty, holds anything but visible ASCII, or would be read as a number or a
// truth value.
std::string LogValue(std::string_view value);

// What a call is known by. Fields are empty where there is none.
struct CallIds {
  std::string request_id;
  std::string trace_id;     // 32 lower-case hex digits
  std::string span_id;      // 16, of the caller's span
  std::string traceparent;  // as it is given back
};

// `request_id` is kept if it has 1 to 64 letters, digits, '-', '_', '.' or ':';
// otherwise one is made. `traceparent` is kept if it is well-formed, else left
// out. Source: W3C Trace Context, 3.2 (versions above 00 are read as 00).
CallIds ReadCallIds(std::string_view request_id, std::string_view traceparent);

// Belongs to the thread that serves the call.
class CallRecord {
 public:
  CallRecord(const char* rpc, CallIds ids) : rpc_(rpc), ids_(std::move(ids)) {}

  // "gist", "full", "rag", "hybrid", "compare", "compress", or "none".
  const char* mode = "none";
  std::string tenant;  // empty: none is known
  // The reason's name, of what a limit refused; null: nothing was refused.
  const char* rejected = nullptr;

  // One more field of the line. Never document text, questions or answers.
  void Add(std::string_view key, std::integral auto value) {
    fields_ += fmt::format(" {}={}", key, value);
  }
  void AddSeconds(std::string_view key, double seconds) {
    fields_ += fmt::format(" {}={:.4f}", key, seconds);
  }
  void Add(std::string_view key, std::string_view value) {
    fields_ += fmt::format(" {}={}", key, LogValue(value));
  }

  const char* rpc() const { return rpc_; }
  const CallIds& ids() const { return ids_; }
  // The call in one line of logfmt. `error`: empty where there is none.
  std::string Line(std::string_view code, double seconds,
                   std::string_view error) const;

 private:
  const char* const rpc_;
  const CallIds ids_;
  std::string fields_;
};

}  // namespace gist
