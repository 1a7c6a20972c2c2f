// gistd: wires the parts together. Alone knows which engine runs.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "core/base/status.h"
#include "server/adapter_store.h"
#include "server/backup.h"
#include "server/config.h"
#include "server/context_keeper.h"
#include "server/dataset_store.h"
#include "server/grpc_service.h"
#include "server/metrics.h"
#include "server/pipeline.h"
#include "server/promoter.h"
#include "server/scheduler.h"
#include "server/sweeper.h"
#include "server/train_manager.h"
#include "server/train_service.h"
#include "server/train_sources.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "storage/gist_store.h"
#ifdef GIST_TORCH
#include "core/torch_embedder.h"
#include "core/torch_engine.h"
#else
#include "tests/support/fake_embedder.h"
#include "tests/support/fake_engine.h"
#endif

namespace gist {
namespace {

absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const Config& config) {
#ifdef GIST_TORCH
  TorchEngineOptions options;
  options.model_path = config.model;
  options.adapter_path = config.adapter;
  options.device = config.device;
  options.threads = config.threads;
  options.weights =
      *ParseWeightStorage(config.weights);  // CheckConfig has seen it
  return MakeTorchEngine(options);
#else
  SPDLOG_WARN("built with GIST_TORCH=OFF: a fake engine stands in for {}",
              config.model);
  return std::make_unique<FakeEngine>();
#endif
}

// Null: off.
absl::StatusOr<std::unique_ptr<Embedder>> MakeEmbedder(const Config& config) {
  if (config.embedder == "off") return nullptr;
#ifdef GIST_TORCH
  auto embedder = MakeTorchEmbedder(config.embedder, config.device);
  if (!absl::IsNotFound(embedder.status())) return embedder;
  return absl::NotFoundError(fmt::format(
      "{}; deploy/setup.sh fetches the default one, --embedder off does "
      "without passages",
      Message(embedder.status())));
#else
  return std::make_unique<FakeEmbedder>();
#endif
}

// logfmt on stderr; stdout stays free.
void StartLogging() {
  auto logger = spdlog::stderr_logger_mt("gistd");
  logger->set_pattern("ts=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  spdlog::set_default_logger(std::move(logger));
}

// Threads inherit the mask: these signals reach WaitForStop alone.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// The training side: all of it works in folders of the data folder.
struct Trainings {
  Trainings(const Config& config, Scheduler& scheduler)
      : datasets(config.data_dir + "/datasets",
                 {.max_bytes = config.limits.max_dataset_bytes}),
        adapters(config.data_dir + "/adapters"),
        promoter(scheduler, adapters, config.adapter),
        planner(RecipesIn(config.presets), Generators(), datasets, adapters) {}

  absl::Status Start(const Config& config, Engine& engine, Metrics& metrics) {
    if (config.promoted_adapter) GIST_RETURN_IF_ERROR(promoter.Restore());
    TrainOptions options;
    options.folder = config.data_dir + "/training";
    options.max_queued = config.limits.max_queued_trainings;
    GIST_ASSIGN_OR_RETURN(
        manager,
        TrainManager::Start(options, datasets,
                            {engine, planner, adapters, promoter, metrics}));
    return absl::OkStatus();
  }

  DatasetStore datasets;
  AdapterStore adapters;
  Promoter promoter;
  TrainPlanner planner;
  std::unique_ptr<TrainManager> manager;
};

absl::Status Serve(const Config& config, const sigset_t& stop_signals) {
  GIST_ASSIGN_OR_RETURN(const auto files, OpenGistStore(config.data_dir));
  const SystemWallClock clock;
  GIST_ASSIGN_OR_RETURN(
      const auto store,
      ContextKeeper::Open(
          *files, {config.limits.max_store_bytes, config.limits.max_contexts},
          clock));
  BackupFolder backups(*store, {.folder = config.backup_dir,
                                .data_folder = config.data_dir,
                                .max_backups = config.limits.max_backups});
  GIST_ASSIGN_OR_RETURN(const auto engine, MakeEngine(config));
  GIST_ASSIGN_OR_RETURN(const auto embedder, MakeEmbedder(config));
  Scheduler scheduler(*engine,
                      {config.limits.max_queue, config.limits.max_running_asks,
                       config.limits.max_running_compressions});
  Pipeline pipeline(*engine, *store, scheduler,
                    {.max_document_bytes = config.limits.max_document_bytes,
                     .max_document_tokens = config.limits.max_document_tokens,
                     .max_cached_kv_bytes = config.limits.max_cached_kv_bytes},
                    embedder.get());
  Metrics metrics;
  const int64_t contexts = store->usage().contexts;
  metrics.AddContexts(contexts);
  store->OnRemoved([&](const RemovedContext& removed) {
    if (removed.document_gone) pipeline.ForgetDocument(removed.document_id);
    metrics.CountRemoved(removed.why == Removal::kExpired ? "expired"
                                                          : "evicted");
  });
  const Sweeper sweeper(*store, {});
  std::string admin = config.admin;
  if (admin != "off") {
    GIST_ASSIGN_OR_RETURN(admin, metrics.Serve(config.admin));
  }
  Trainings trainings(config, scheduler);
  GIST_RETURN_IF_ERROR(trainings.Start(config, *engine, metrics));
  const int max_threads = std::min(config.limits.max_queue, 4096) * 2 + 64;
  GIST_ASSIGN_OR_RETURN(
      const auto server,
      GrpcServer::Start(
          pipeline, metrics,
          {config.listen, max_threads,
           [&trainings] { return trainings.manager->IsTraining(); },
           config.backup_dir.empty() ? nullptr : &backups},
          MakeTrainingService({*trainings.manager, trainings.datasets,
                               trainings.adapters, trainings.promoter,
                               metrics})));
  SPDLOG_INFO(
      "gistd ready listen={} admin={} model={:?} adapter={:?} contexts={}",
      server->address(), admin, engine->model().name, engine->adapter().name,
      contexts);

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  SPDLOG_INFO("gistd stopping signal={} grace_seconds={}", signal_number,
              config.shutdown_grace_seconds);
  server->StopServing();
  trainings.manager->BeginStop();
  scheduler.Drain(
      std::chrono::milliseconds(int64_t(config.shutdown_grace_seconds * 1000)));
  server->Shutdown();
  trainings.manager->Stop();
  SPDLOG_INFO("gistd stopped");
  return absl::OkStatus();
}

absl::Status Restore(const Config& config) {
  GIST_ASSIGN_OR_RETURN(const int64_t contexts,
                        RestoreBackup(config.restore, config.data_dir));
  std::printf("restored %lld contexts from %s to %s\n", (long long)contexts,
              config.restore.c_str(), config.data_dir.c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  StartLogging();
  auto command_line = ParseCommandLine(argc, argv);
  absl::Status status = command_line.status();
  if (status.ok()) {
    if (const auto* text = std::get_if<std::string>(&*command_line)) {
      std::fputs(text->c_str(), stdout);
      return 0;
    }
    const Config& config = std::get<Config>(*command_line);
    const sigset_t stop_signals = BlockStopSignals();
    status = Fence("gistd", [&] {
      return config.restore.empty() ? Serve(config, stop_signals)
                                    : Restore(config);
    });
  }
  if (status.ok()) return 0;
  SPDLOG_ERROR("error={:?}", Message(status));
  return 1;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) { return gist::Main(argc, argv); }
