// gist.v1.TrainingService over the training manager.
#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/grpc/gate.h"
#include "server/telemetry/metrics.h"
#include "server/training/adapter_registry.h"
#include "server/training/adapter_store.h"
#include "server/training/dataset_store.h"
#include "server/training/train_manager.h"

namespace gist {

// All outlive the service.
struct TrainServiceParts {
  TrainManager& manager;
  DatasetStore& datasets;
  AdapterStore& adapters;
  AdapterRegistry& promoter;
  Metrics& metrics;
  const Gate& gate;
};

std::unique_ptr<grpc::Service> MakeTrainingService(
    const TrainServiceParts& parts);

}  // namespace gist
