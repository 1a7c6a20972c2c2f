// gist.v1.GistService on a port, with health, reflection and, where there is
// one, the training service.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "server/contexts/backup.h"
#include "server/grpc/gate.h"
#include "server/grpc/tls.h"
#include "server/serving/pipeline.h"
#include "server/support/readiness.h"
#include "server/telemetry/metrics.h"

namespace gist {

struct GrpcServerOptions {
  std::string listen;     // HOST:PORT; port 0: any free one
  int max_threads = 256;  // of handlers; each call holds one
  // Does a training use the processor now? Empty: never.
  std::function<bool()> is_training = {};
  TlsFiles tls = {};
  // Both outlive the server. Null: everyone may do everything; a readiness of
  // the server's own.
  const Gate* gate = nullptr;
  Readiness* readiness = nullptr;
  // gRPC's own services, which ask nobody for a token.
  bool has_reflection = true;
  bool has_channelz = false;
  // Outlives the server; null: it was started without a folder for backups.
  BackupFolder* backups = nullptr;
};

class GrpcServer {
 public:
  // Serves until Shutdown, and is ready. `pipeline` and `metrics` outlive the
  // server.
  // `training`: a second service; null: none.
  // kUnavailable: the port cannot be had; or what MakeServerCredentials says.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      Pipeline& pipeline, Metrics& metrics, const GrpcServerOptions& options,
      std::unique_ptr<grpc::Service> training = nullptr);
  ~GrpcServer();

  // HOST:PORT with the real port.
  const std::string& address() const;
  // The services' health says NOT_SERVING, so that no new traffic is sent here;
  // the process's own, "", stays SERVING.
  void StopServing();
  // Ends what still runs, soon, and returns when no call is left.
  void Shutdown();

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gist
