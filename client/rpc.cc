#include "client/rpc.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/strings/cord.h"
#include "core/base/host_port.h"
#include "core/base/utf8.h"
#include "fmt/format.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace gist::client {
namespace {

bool IsThisMachine(std::string_view target) {
  for (const std::string_view prefix :
       {"127.0.0.1:", "localhost:", "[::1]:", "unix:", "ipv4:127.0.0.1:",
        "ipv6:[::1]:", "dns:///localhost:"}) {
    if (target.starts_with(prefix)) return true;
  }
  return false;
}

bool MaySendToken(const ClientOptions& options) {
  return options.tls.enabled || options.insecure_token ||
         IsThisMachine(options.target);
}

// HOST:PORT, or a URI of gRPC's: http:// is none.
bool IsTarget(std::string_view target) {
  for (const std::string_view scheme :
       {"dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:", "xds:"}) {
    if (target.starts_with(scheme)) return target.size() > scheme.size();
  }
  const auto address = ParseHostPort(target);
  return address && address->port > 0 &&
         address->host.find_first_of(" /") == std::string::npos;
}

}  // namespace

absl::Status CheckOptions(const ClientOptions& options) {
  if (!IsTarget(options.target)) {
    return absl::InvalidArgumentError(fmt::format(
        "the server is {:?}, want HOST:PORT, say 127.0.0.1:50051, or a gRPC "
        "target such as dns:///HOST:PORT; see --server",
        options.target));
  }
  const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::ranges::all_of(options.token, is_visible)) {
    return absl::InvalidArgumentError(
        "the token has a blank or a letter beyond ASCII in it; want what gist "
        "tokens new printed");
  }
  if (options.tls.cert.empty() != options.tls.key.empty()) {
    return absl::InvalidArgumentError(
        "a client's certificate and its private key go together");
  }
  if (options.token.empty() || MaySendToken(options)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "the token would go to {} unencrypted; use TLS (--tls), or accept it "
      "with --insecure-token",
      options.target));
}

Call::Call(const ClientOptions& options)
    : on_stop_(options.stop, [this] { context_.TryCancel(); }) {
  if (options.before_call) options.before_call(options);
  if (options.timeout_seconds > 0) {
    context_.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::microseconds(int64_t(options.timeout_seconds * 1e6)));
  }
  if (!options.token.empty() && MaySendToken(options)) {
    context_.AddMetadata("authorization", "Bearer " + options.token);
  }
}

std::shared_ptr<grpc::Channel> Connect(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  // A proxy set for the web would otherwise swallow calls to this machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetUserAgentPrefix("gist");
  if (!options.tls.enabled) {
    return grpc::CreateCustomChannel(
        options.target, grpc::InsecureChannelCredentials(), arguments);
  }
  return grpc::CreateCustomChannel(
      options.target,
      grpc::SslCredentials({options.tls.ca, options.tls.key, options.tls.cert}),
      arguments);
}

absl::Status FromGrpc(const grpc::Status& status,
                      const ClientOptions& options) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  absl::Status error(code, status.error_message());
  google::rpc::Status rich;
  if (!status.error_details().empty() &&
      rich.ParseFromString(status.error_details())) {
    for (const auto& detail : rich.details()) {
      error.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
    return error;
  }
  // gRPC 1.51 ends so, with these words, a call that arrives in the moment in
  // which the server closes; its handler never saw it.
  const bool came_too_late = code == absl::StatusCode::kCancelled &&
                             status.error_message() == "CANCELLED" &&
                             !options.stop.stop_requested();
  if (code != absl::StatusCode::kUnavailable && !came_too_late) return error;
  return absl::UnavailableError(fmt::format(
      "{} (tried {}{}; is gistd running{})", status.error_message(),
      options.target, options.tls.enabled ? " with TLS" : "",
      options.tls.enabled ? ", and with a certificate for this name?"
                          : "? does it want TLS?"));
}

absl::Status CheckUtf8(std::string_view what, std::string_view text) {
  const size_t invalid = FirstInvalidUtf8(text);
  if (invalid == text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: byte {} of {} is not UTF-8; convert the text to UTF-8 first", what,
      invalid, text.size()));
}

}  // namespace gist::client
