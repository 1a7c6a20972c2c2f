// Errors as gRPC carries them. Alone knows google.rpc.Status.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace gist {

// Code, message (at most 1 KiB) and, in grpc-status-details-bin, a
// google.rpc.Status of one ErrorInfo (domain "gist.v1"), and RetryInfo and
// BadRequest where they apply.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace gist
