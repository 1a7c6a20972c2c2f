// grpc.health.v1. "" is SERVING from the moment the model is loaded until the
// process ends; services follow readiness, so they also report draining.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/grpc/gate.h"
#include "server/support/readiness.h"

namespace gist {

// Callbacks hold no thread of the server while a client watches.
class HealthService {
 public:
  virtual ~HealthService() = default;
  virtual grpc::Service* service() = 0;
  // Ends all Watch calls, so that a shutdown need not wait for them.
  virtual void Close() = 0;
};

// `gate` and `readiness` outlive it. `services`: full names whose readiness is
// `readiness`.
std::unique_ptr<HealthService> MakeHealthService(
    const Gate& gate, Readiness& readiness, std::vector<std::string> services);

}  // namespace gist
