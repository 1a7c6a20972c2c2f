// Between the wire's messages and the pipeline's values.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gist/v1/gist.pb.h"
#include "grpcpp/support/status.h"
#include "server/contexts/backup.h"
#include "server/serving/compare.h"
#include "server/serving/pipeline.h"

namespace gist {

// Largest text of the unary Compress. The transport takes a little more, so
// that what is slightly over it gets an answer that names CompressStream.
inline constexpr int kMaxUnaryBytes = 4 << 20;

// "NOT_FOUND"
const char* CodeName(absl::StatusCode code);

// kInvalidArgument: an unknown mode. kUnimplemented: a reserved one.
absl::StatusOr<AskInput> FromProto(const v1::AskRequest& request);
// kUnimplemented: a max_ratio other than 0.
absl::StatusOr<RetentionPolicy> FromProto(const v1::RetentionPolicy& policy);
// Of CompressRequest, or of a stream's first message; `text` is not set.
// kInvalidArgument: an unknown rung or storage. kUnimplemented: reserved ones.
template <typename Request>
absl::StatusOr<CompressInput> CompressInputOf(const Request& request);
// Of a stream's first message; `text` is not set.
absl::StatusOr<AddInput> FromProto(const v1::AddDocumentRequest& request);
// Its modes are in the order wanted; the input's own is not set.
absl::StatusOr<std::pair<AskInput, std::vector<AskMode>>> FromProto(
    const v1::CompareRequest& request);

void ToProto(const ContextInfo& info, v1::Context* out);
void ToProto(const Backup& backup, v1::Backup* out);
void ToProto(const AddResult& result, v1::AddDocumentResponse* out);
void ToProto(const CompressResult& result, v1::CompressResponse* out);
void ToProto(const CompressProgress& progress, v1::CompressProgress* out);
v1::Mode ToProto(AskMode mode);
void ToProto(const AskResult& result, v1::AskResult* out);
void ToProto(const ModeAnswer& answer, v1::ModeAnswer* out);
void ToProto(const Comparison& comparison, v1::CompareSummary* out);
// All but the uptime.
void ToProto(const Pipeline& pipeline, v1::ServerInfo* out);

}  // namespace gist
