// What a server says of an error beside code and message.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gist/v1/error_reason.pb.h"

namespace gist::client {

struct FieldViolation {
  std::string field;  // "retrieval.top_k"
  std::string description;
};

// docs/errors.md lists the reasons.
struct ErrorInfo {
  std::string reason;  // "QUEUE_FULL"; empty: no gistd said this
  std::map<std::string, std::string> metadata;
  std::optional<double> retry_seconds;  // the same call may succeed then
  std::vector<FieldViolation> fields;   // of the request, that are to blame
};

// As ErrorInfo has it: "QUEUE_FULL".
std::string_view ReasonName(v1::ErrorReason reason);

// Of an error that a call of this library returned.
ErrorInfo ErrorInfoOf(const absl::Status& status);

}  // namespace gist::client
