// Wire messages <-> the client's plain structs. Private to the client library.
#pragma once

#include "client/gist_client.h"
#include "gist/v1/gist.pb.h"

namespace gist::client {

v1::AskRequest ToProto(const Question& question);
Context FromProto(const v1::Context& proto);
CompressResult FromProto(const v1::CompressResponse& proto);
Accounting FromProto(const v1::Accounting& proto);
ServerInfo FromProto(const v1::ServerInfo& proto);

}  // namespace gist::client
