// The service with its real store, scheduler and wire, and a fake engine: what
// the kill loop kills. gistd itself has the real engine, and takes longer to
// start than it may live here.
// usage: fault_server DATA_FOLDER      prints its address, serves until killed
#include <cstdio>
#include <thread>

#include "core/base/status.h"
#include "core/embed/fake_embedder.h"
#include "core/engine/fake_engine.h"
#include "server/contexts/backup.h"
#include "server/contexts/maintenance_thread.h"
#include "server/contexts/retention_manager.h"
#include "server/grpc/service.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

absl::Status Serve(const std::string& folder) {
  GIST_ASSIGN_OR_RETURN(const auto files, OpenGistStore(folder));
  const SystemWallClock clock;
  GIST_ASSIGN_OR_RETURN(const auto store,
                        RetentionManager::Open(*files, {}, clock));
  FakeEngine engine;
  FakeEmbedder embedder;
  Scheduler scheduler(engine, {});
  Pipeline pipeline(engine, *store, scheduler, {}, &embedder, &clock);
  Metrics metrics;
  // Often: the loop kills in the middle of it.
  const MaintenanceThread sweeper(
      *store, {.sweep_every = std::chrono::milliseconds(20),
               .erase_every = std::chrono::milliseconds(50)});
  GrpcServerOptions options;
  options.listen = "127.0.0.1:0";
  GIST_ASSIGN_OR_RETURN(const auto server,
                        GrpcServer::Start({pipeline}, metrics, options));
  std::printf("%s\n", server->address().c_str());
  std::fflush(stdout);
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fault_server DATA_FOLDER\n");
    return 2;
  }
  spdlog::set_level(spdlog::level::off);
  const absl::Status status = gist::Serve(argv[1]);
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
