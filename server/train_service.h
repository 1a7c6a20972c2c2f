// gist.v1.TrainingService over the training manager.
#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/adapter_store.h"
#include "server/dataset_store.h"
#include "server/grpc_gate.h"
#include "server/metrics.h"
#include "server/promoter.h"
#include "server/train_manager.h"

namespace gist {

// All outlive the service.
struct TrainServiceParts {
  TrainManager& manager;
  DatasetStore& datasets;
  AdapterStore& adapters;
  Promoter& promoter;
  Metrics& metrics;
  const Gate& gate;
};

std::unique_ptr<grpc::Service> MakeTrainingService(
    const TrainServiceParts& parts);

}  // namespace gist
