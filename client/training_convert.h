// Wire messages about training <-> the client's plain structs. Private to the
// client library.
#pragma once

#include "client/training_client.h"
#include "gist/v1/gist.pb.h"

namespace gist::client {

v1::TrainRequest ToProto(const TrainingRequest& request);
Training FromProto(const v1::Training& proto);
TrainingEvent FromProto(const v1::TrainEvent& proto);
Dataset FromProto(const v1::Dataset& proto);
Adapter FromProto(const v1::Adapter& proto);

}  // namespace gist::client
