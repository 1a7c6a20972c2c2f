// gist.v1.GistService on a port, with health, reflection and, optionally, the
// training service.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/contexts/backup.h"
#include "server/grpc/gate.h"
#include "server/grpc/tls.h"
#include "server/grpc/train_service.h"
#include "server/serving/pipeline.h"
#include "server/support/readiness.h"
#include "server/telemetry/metrics.h"

namespace gist {

struct GrpcServerOptions {
  std::string listen;         // HOST:PORT; port 0: any free one
  int max_threads = 256;      // of handlers; each call holds one
  bool has_training = false;  // registers gist.v1.TrainingService too
  TlsFiles tls = {};
  // Both outlive the server. Null: everyone may do everything; a readiness of
  // the server's own.
  const Gate* gate = nullptr;
  Readiness* readiness = nullptr;
  // gRPC's own services, which ask nobody for a token.
  bool has_reflection = true;
  bool has_channelz = false;
};

// The parts behind the calls. All outlive the last call.
struct ServedParts {
  Pipeline& pipeline;
  std::optional<TrainServiceParts> training = std::nullopt;
  BackupFolder* backups = nullptr;  // null: no folder for backups
};

class GrpcServer {
 public:
  // Listens until Shutdown, and is not ready. Calls other than health get
  // UNAVAILABLE with MODEL_LOADING until Open. `metrics` outlives the server.
  // kUnavailable: the port cannot be had; or an error of MakeServerCredentials.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Listen(
      Metrics& metrics, const GrpcServerOptions& options);
  // Serves calls from here on, and is ready. Called once.
  void Open(const ServedParts& parts);
  // Listen and Open; `parts.training` decides about the training service.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const ServedParts& parts, Metrics& metrics, GrpcServerOptions options);
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
