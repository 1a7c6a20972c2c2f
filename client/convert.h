// The client's requests as wire messages. Private to the client library.
#pragma once

#include "client/gist_client.h"
#include "gist/v1/gist.pb.h"

namespace gist::client {

v1::AskRequest ToProto(const Question& question);
v1::CompareRequest ToCompareProto(const Question& question,
                                  const std::vector<Mode>& modes);
v1::RetentionPolicy ToProto(const RetentionPolicy& policy);
// All but the text. `Request`: of Compress or CompressStream.
template <typename Request>
Request ToCompressProto(const CompressOptions& options) {
  Request request;
  v1::RepresentationSpec& spec = *request.mutable_representation();
  spec.set_gist_tokens(options.gist_tokens);
  spec.set_rung(options.rung);
  spec.set_storage(options.storage);
  request.set_request_id(options.request_id);
  *request.mutable_retention() = ToProto(options.retention);
  return request;
}

}  // namespace gist::client
