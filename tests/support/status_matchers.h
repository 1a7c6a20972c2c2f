// gmock matchers for absl::Status and absl::StatusOr.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/status.h"
#include "gmock/gmock.h"

namespace gist {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

// EXPECT_THAT(F(), IsOk()).
MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// EXPECT_THAT(F(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("ctx_"))).
MATCHER_P2(StatusIs, code, message, "has the code and the message") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         testing::ExplainMatchResult(message, std::string(Message(status)),
                                     result_listener);
}

}  // namespace gist
