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
#include "server/grpc/gate.h"
#include "server/grpc/proto_convert.h"
#include "server/grpc/status.h"
#include "server/scheduling/caller.h"
#include "server/support/errors.h"
#include "server/support/set_once.h"
#include "server/telemetry/call_record.h"
#include "server/telemetry/metrics.h"
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

// The one value of a key of the caller's metadata; empty: none, or several.
inline std::string_view MetadataOf(const grpc::ServerContext& context,
                                   const char* key) {
  const auto& metadata = context.client_metadata();
  if (metadata.count(key) != 1) return {};
  const grpc::string_ref value = metadata.find(key)->second;
  return {value.data(), value.size()};
}

// What the call is known by; tells the caller too.
inline CallIds IdsOf(grpc::ServerContext& context) {
  CallIds ids = ReadCallIds(MetadataOf(context, "x-request-id"),
                            MetadataOf(context, "traceparent"));
  context.AddInitialMetadata("x-request-id", ids.request_id);
  if (!ids.traceparent.empty()) {
    context.AddInitialMetadata("traceparent", ids.traceparent);
  }
  return ids;
}

// What went wrong here, and not at the client.
inline bool IsOurs(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kUnknown;
}

// Of calls before the model is loaded.
inline absl::Status ModelLoading() {
  return Error(Reason::kModelLoading,
               "gistd is still loading its model; send the call again");
}

inline absl::Status CallerLeft() {
  return absl::CancelledError("the caller reads no more");
}

// Who called, as far as they were asked: a token's id is no secret.
inline void Note(const Principal& principal, CallRecord& record) {
  if (principal.token_id.empty()) return;
  record.tenant = TenantName(principal.tenant);
  record.Add("token", principal.token_id);
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

// Counts and logs a call that has ended.
inline void Finish(CallRecord& record, const absl::Status& status,
                   double seconds, Metrics& metrics) {
  const char* const code = CodeName(status.code());
  metrics.CountRequest(record.rpc(), record.mode, code, seconds);
  if (!status.ok()) {
    const ReasonInfo& reason = InfoOf(DetailsOf(status).reason);
    if (reason.is_limit) {
      record.rejected = reason.name;
      metrics.CountRejected(reason.name);
    }
  }
  if (IsOurs(status.code()) && record.rejected == nullptr) {
    SPDLOG_ERROR("{}", record.Line(code, seconds, Message(status)));
  } else {
    SPDLOG_INFO("{}", record.Line(code, seconds, {}));
  }
}

// Runs one call: who may, what it throws, times, counts and logs. Neither text,
// question nor token is ever logged; messages of errors hold none of them.
template <typename Body>
grpc::Status ServeCall(const CallRules& rules, const char* rpc,
                       grpc::ServerContext& context, Body body) {
  const Clock::time_point start = Clock::now();
  CallRecord record(rpc, IdsOf(context));
  Caller caller = CallerOf(context);
  caller.record = &record;
  const absl::Status status = Fence(rpc, [&]() -> absl::Status {
    const absl::Status admitted = rules.gate.Admit(
        fmt::format("/{}/{}", rules.service, rpc), context, caller.principal);
    Note(caller.principal, record);
    GIST_RETURN_IF_ERROR(admitted);
    return body(caller);
  });
  Finish(record, status, SecondsSince(start), rules.metrics);
  return ToGrpc(status);
}

// ServeCall once `parts` are there; kModelLoading before.
template <typename Parts, typename Body>
grpc::Status ServeOpened(const SetOnce<Parts>& parts, const CallRules& rules,
                         const char* rpc, grpc::ServerContext& context,
                         Body body) {
  return ServeCall(rules, rpc, context,
                   [&](const Caller& caller) -> absl::Status {
                     if (parts.get() == nullptr) return ModelLoading();
                     return body(caller);
                   });
}

}  // namespace gist
