// What calls of all services share. Private to the client library.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/gist_client.h"
#include "core/base/status.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"

namespace gist::client {

inline constexpr size_t kChunkBytes = size_t{256} << 10;  // 1 MiB is allowed

// One call's gRPC context: deadline and token set, cancelled when `stop` is
// requested. Its constructor calls options.before_call first.
class Call {
 public:
  explicit Call(const ClientOptions& options);
  grpc::ClientContext* get() { return &context_; }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::stop_callback<std::function<void()>> on_stop_;
};

std::shared_ptr<grpc::Channel> Connect(const ClientOptions& options);

// gRPC's codes are Abseil's by number; ErrorInfoOf reads what else came along.
// kUnavailable that no gistd sent also names the address.
absl::Status FromGrpc(const grpc::Status& status, const ClientOptions& options);

// kInvalidArgument with `what` in front.
absl::Status CheckUtf8(std::string_view what, std::string_view text);

// Gives `bytes` to `write` in chunks; false where `write` refuses one.
template <typename Write>
bool WriteChunks(std::string_view bytes, const Write& write) {
  while (!bytes.empty()) {
    const std::string_view chunk = bytes.substr(0, kChunkBytes);
    if (!write(chunk)) return false;
    bytes.remove_prefix(chunk.size());
  }
  return true;
}

// Sends all of `source`. Stops early and well where the server hangs up: the
// stream's final status says why.
template <typename Write>
absl::Status WriteSource(const ByteSource& source, const Write& write) {
  while (true) {
    GIST_ASSIGN_OR_RETURN(const std::string bytes, source());
    if (bytes.empty() || !WriteChunks(bytes, write)) return absl::OkStatus();
  }
}

// A call that uploads `source` in chunks of `request`, whose other fields the
// server reads in the first message. `call` is that of `stream`.
template <typename Request>
absl::Status Upload(const ByteSource& source, Request request,
                    grpc::ClientWriter<Request>& stream, Call& call,
                    const ClientOptions& options) {
  const absl::Status sent = WriteSource(source, [&](std::string_view chunk) {
    request.set_chunk(chunk.data(), chunk.size());
    return stream.Write(request);
  });
  if (!sent.ok()) call.Cancel();
  stream.WritesDone();
  const absl::Status finished = FromGrpc(stream.Finish(), options);
  GIST_RETURN_IF_ERROR(sent);
  return finished;
}

}  // namespace gist::client
