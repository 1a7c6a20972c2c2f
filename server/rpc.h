// What the handlers of all services share: callers, chunks, and the record of
// each call.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/status.h"
#include "grpcpp/server_context.h"
#include "server/caller.h"
#include "server/errors.h"
#include "server/grpc_gate.h"
#include "server/grpc_status.h"
#include "server/metrics.h"
#include "server/proto_convert.h"
#include "spdlog/spdlog.h"

namespace gist {

inline Caller CallerOf(grpc::ServerContext& context) {
  Caller caller;
  caller.has_left = [&context] { return context.IsCancelled(); };
  if (context.deadline() != std::chrono::system_clock::time_point::max()) {
    const auto left = context.deadline() - std::chrono::system_clock::now();
    caller.deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(left);
  }
  return caller;
}

// What went wrong here, and not at the client.
inline bool IsOurs(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kUnknown;
}

inline absl::Status CallerLeft() {
  return absl::CancelledError("the caller reads no more");
}

// Who called, as far as they were asked: a token's id is no secret.
inline std::string LogFieldsOf(const Principal& principal) {
  if (principal.token_id.empty()) return "";
  return fmt::format(" tenant={} token={}", TenantName(principal.tenant),
                     principal.token_id);
}

// Reads a client's stream of chunks into one string; `first` sees the first
// message. `too_large` as soon as there are more than `max_bytes`.
template <typename Message, typename Stream, typename First>
absl::StatusOr<std::string> ReadChunks(
    Stream& stream, int64_t max_bytes, const Caller& caller, First first,
    Reason too_large = Reason::kDocumentTooLarge) {
  std::string bytes;
  bool is_first = true;
  for (Message message; stream.Read(&message);) {
    if (std::exchange(is_first, false)) first(message);
    if (int64_t(bytes.size() + message.chunk().size()) > max_bytes) {
      return Error(too_large,
                   fmt::format("more than {} bytes, the limit of this server",
                               max_bytes),
                   {{"maxBytes", std::to_string(max_bytes)}});
    }
    bytes += message.chunk();
  }
  GIST_RETURN_IF_ERROR(caller.Check());  // the stream broke off: not all of it
  return bytes;
}

// What every call of a service goes through.
struct CallRules {
  const char* service;  // "gist.v1.GistService"
  const Gate& gate;
  Metrics& metrics;
};

// Runs one call: who may, what it throws, times, counts and logs. Neither text,
// question nor token is ever logged; messages of errors hold none of them.
template <typename Body>
grpc::Status ServeCall(const CallRules& rules, const char* rpc,
                       grpc::ServerContext& context, Body body) {
  const Clock::time_point start = Clock::now();
  Caller caller = CallerOf(context);
  const absl::Status status = Fence(rpc, [&]() -> absl::Status {
    GIST_RETURN_IF_ERROR(rules.gate.Admit(
        fmt::format("/{}/{}", rules.service, rpc), context, caller.principal));
    return body(caller);
  });
  const double seconds = SecondsSince(start);
  const char* const code = CodeName(status.code());
  rules.metrics.CountRequest(rpc, code, seconds);
  if (IsOurs(status.code())) {
    SPDLOG_ERROR("rpc={} code={} seconds={:.3f}{} error={:?}", rpc, code,
                 seconds, LogFieldsOf(caller.principal), Message(status));
  } else {
    SPDLOG_INFO("rpc={} code={} seconds={:.3f}{}", rpc, code, seconds,
                LogFieldsOf(caller.principal));
  }
  return ToGrpc(status);
}

}  // namespace gist
