// Between the wire's messages about training and the server's values.
#pragma once

#include <string_view>

#include "gist/v1/training.pb.h"
#include "server/training/adapter_store.h"
#include "server/training/dataset_store.h"
#include "server/training/training.h"

namespace gist {

TrainRequest FromProto(const v1::TrainRequest& request);

void ToProto(const Training& training, v1::Training* out);
void ToProto(const TrainingUpdate& update, v1::TrainEvent* out);
void ToProto(const Dataset& dataset, v1::Dataset* out);
// `in_use`: title of the version in use.
void ToProto(const AdapterVersion& version, std::string_view in_use,
             v1::Adapter* out);
// The adapter that gistd was started with, in use.
void ToProto(const AdapterInfo& configured, v1::Adapter* out);

}  // namespace gist
