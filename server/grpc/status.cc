#include "server/grpc/status.h"

#include <string>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/support/errors.h"

namespace gist {
namespace {

constexpr char kDomain[] = "gist.v1";
constexpr size_t kMaxMessageBytes = 1024;

void AddDetails(const ErrorDetails& error, google::rpc::Status& status) {
  const ReasonInfo& reason = InfoOf(error.reason);
  google::rpc::ErrorInfo info;
  info.set_reason(reason.name);
  info.set_domain(kDomain);
  for (const auto& [key, value] : error.metadata) {
    (*info.mutable_metadata())[key] = value;
  }
  status.add_details()->PackFrom(info);
  if (const auto delay = reason.retry_delay.count(); delay > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(delay / 1000);
    retry.mutable_retry_delay()->set_nanos(int32_t(delay % 1000) * 1'000'000);
    status.add_details()->PackFrom(retry);
  }
  if (error.field.empty()) return;
  google::rpc::BadRequest bad;
  auto* const violation = bad.add_field_violations();
  violation->set_field(error.field);
  violation->set_description(status.message());
  status.add_details()->PackFrom(bad);
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string_view message = Message(status).substr(0, kMaxMessageBytes);
  google::rpc::Status rich;
  rich.set_code(int(status.code()));
  rich.set_message(std::string(message.substr(0, CompleteUtf8Prefix(message))));
  AddDetails(DetailsOf(status), rich);
  // absl::StatusCode and grpc::StatusCode number the same canonical codes.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      rich.message(), rich.SerializeAsString());
}

}  // namespace gist
