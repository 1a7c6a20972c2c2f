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

// All outlive the last call.
struct TrainServiceParts {
  TrainManager& manager;
  DatasetStore& datasets;
  AdapterStore& adapters;
  AdapterRegistry& promoter;
};

// Calls get UNAVAILABLE with MODEL_LOADING until Open.
class TrainingService {
 public:
  virtual ~TrainingService() = default;
  virtual grpc::Service* service() = 0;
  // Called once.
  virtual void Open(const TrainServiceParts& parts) = 0;
};

// `metrics` and `gate` outlive it.
std::unique_ptr<TrainingService> MakeTrainingService(Metrics& metrics,
                                                     const Gate& gate);

}  // namespace gist
