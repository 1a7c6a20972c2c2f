#include "client/rpc.h"

#include <chrono>
#include <cstdint>

#include "core/base/utf8.h"
#include "fmt/format.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace gist::client {

Call::Call(const ClientOptions& options)
    : on_stop_(options.stop, [this] { context_.TryCancel(); }) {
  if (options.timeout_seconds > 0) {
    context_.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::microseconds(int64_t(options.timeout_seconds * 1e6)));
  }
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  // A proxy set for the web would otherwise swallow calls to this machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetUserAgentPrefix("gist");
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status FromGrpc(const grpc::Status& status,
                      const ClientOptions& options) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code != absl::StatusCode::kUnavailable) {
    return absl::Status(code, status.error_message());
  }
  return absl::UnavailableError(fmt::format("{} (tried {}; is gistd running?)",
                                            status.error_message(),
                                            options.target));
}

absl::Status CheckUtf8(std::string_view what, std::string_view text) {
  const size_t invalid = FirstInvalidUtf8(text);
  if (invalid == text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: byte {} of {} is not UTF-8; convert the text to UTF-8 first", what,
      invalid, text.size()));
}

}  // namespace gist::client
