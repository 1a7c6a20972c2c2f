// Wire messages <-> the client's plain structs. Private to the client library.
#pragma once

#include "client/gist_client.h"
#include "gist/v1/gist.pb.h"

namespace gist::client {

v1::AskRequest ToProto(const Question& question);
void ToProto(const Keep& keep, v1::Keep* out);
Backup FromProto(const v1::Backup& proto);
v1::CompareRequest ToCompareProto(const Question& question,
                                  const std::vector<Mode>& modes);
Comparison FromProto(const v1::CompareResponse& proto);
Context FromProto(const v1::Context& proto);
CompressResult FromProto(const v1::CompressResponse& proto);
Accounting FromProto(const v1::Accounting& proto);
ServerInfo FromProto(const v1::ServerInfo& proto);

}  // namespace gist::client
