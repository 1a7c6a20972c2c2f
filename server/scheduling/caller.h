// The one who waits for an answer, as the work done for them sees it.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "core/base/clock.h"
#include "server/support/principal.h"

namespace gist {

class CallRecord;

struct Caller {
  Clock::time_point deadline = Clock::time_point::max();
  // Called from any thread until the work has ended; empty: never leaves.
  std::function<bool()> has_left = {};
  Principal principal = {};
  // Of the call, for its own thread; null: nobody keeps one.
  CallRecord* record = nullptr;

  // kDeadlineExceeded or kCancelled once nobody wants the answer any more.
  // The deadline comes first: gRPC reports a passed deadline as a leave too.
  absl::Status Check() const {
    if (Clock::now() >= deadline) {
      return absl::DeadlineExceededError(
          "the deadline passed before the work was done; allow more time");
    }
    if (has_left && has_left()) {
      return absl::CancelledError("the caller cancelled the call");
    }
    return absl::OkStatus();
  }
};

}  // namespace gist
