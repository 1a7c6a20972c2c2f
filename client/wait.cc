#include "client/wait.h"

#include <algorithm>
#include <chrono>

#include "client/error_info.h"
#include "client/rpc.h"
#include "core/base/clock.h"
#include "core/base/pause.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace gist::client {
namespace {

namespace health = grpc::health::v1;

constexpr std::chrono::milliseconds kPause{200};
constexpr double kLongestCheckSeconds = 2;

enum class State { kUnreachable, kLoading, kServing };

State StateAfter(const absl::Status& status,
                 const health::HealthCheckResponse& response) {
  if (status.ok()) {
    const bool loads =
        response.status() == health::HealthCheckResponse::NOT_SERVING;
    return loads ? State::kLoading : State::kServing;
  }
  const std::string reason = ErrorInfoOf(status).reason;
  if (reason == ReasonName(v1::ERROR_REASON_MODEL_LOADING)) {
    return State::kLoading;
  }
  const bool is_silent =
      absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return is_silent && reason.empty() ? State::kUnreachable : State::kServing;
}

// Over a channel of its own: gRPC connects again after a failure only while a
// call polls, up to 10 s late where calls fail at once.
State Check(const ClientOptions& options) {
  const auto stub = health::Health::NewStub(Connect(options));
  Call call(options);
  health::HealthCheckResponse response;
  const grpc::Status status =
      stub->Check(call.get(), health::HealthCheckRequest(), &response);
  return StateAfter(FromGrpc(status, options), response);
}

}  // namespace

void WaitForServer(const ClientOptions& options, double seconds,
                   const std::function<void(const WaitProgress&)>& on_wait) {
  const Clock::time_point start = Clock::now();
  ClientOptions probe = options;
  probe.before_call = nullptr;
  while (!options.stop.stop_requested()) {
    const double left = seconds - SecondsSince(start);
    probe.timeout_seconds = std::clamp(left, 0.1, kLongestCheckSeconds);
    const State state = Check(probe);
    const double waited = SecondsSince(start);
    if (state == State::kServing || waited >= seconds) return;
    if (on_wait) on_wait({state == State::kLoading, waited});
    if (!Pause(kPause, options.stop)) return;
  }
}

}  // namespace gist::client
