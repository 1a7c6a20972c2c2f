#include "client/error_info.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace gist::client {
namespace {

// Payloads are named as google.protobuf.Any names what it holds.
template <typename Message>
bool Read(std::string_view url, const absl::Cord& bytes, Message& message) {
  const std::string name =
      "/" + std::string(Message::descriptor()->full_name());
  return url.ends_with(name) && message.ParseFromString(std::string(bytes));
}

}  // namespace

std::string_view ReasonName(v1::ErrorReason reason) {
  constexpr std::string_view kPrefix = "ERROR_REASON_";
  const std::string_view name = v1::ErrorReason_Name(reason);
  return name.substr(std::min(kPrefix.size(), name.size()));
}

ErrorInfo ErrorInfoOf(const absl::Status& status) {
  ErrorInfo info;
  status.ForEachPayload([&](absl::string_view view, const absl::Cord& bytes) {
    const std::string_view url(view.data(), view.size());
    google::rpc::ErrorInfo why;
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad;
    if (Read(url, bytes, why)) {
      info.reason = why.reason();
      info.metadata = {why.metadata().begin(), why.metadata().end()};
    } else if (Read(url, bytes, retry)) {
      info.retry_seconds = double(retry.retry_delay().seconds()) +
                           retry.retry_delay().nanos() / 1e9;
    } else if (Read(url, bytes, bad)) {
      for (const auto& violation : bad.field_violations()) {
        info.fields.push_back({violation.field(), violation.description()});
      }
    }
  });
  return info;
}

}  // namespace gist::client
