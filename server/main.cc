// gistd: wires the parts together. Alone knows which engine runs.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/cleanup/cleanup.h"
#include "core/base/clock.h"
#include "core/base/installation.h"
#include "core/base/standard_streams.h"
#include "core/base/status.h"
#include "core/base/thread_count.h"
#include "server/config.h"
#include "server/contexts/backup.h"
#include "server/contexts/instrumented_store.h"
#include "server/contexts/maintenance_thread.h"
#include "server/contexts/retention_manager.h"
#include "server/grpc/service.h"
#include "server/grpc/train_service.h"
#include "server/readings.h"
#include "server/scheduling/scheduler.h"
#include "server/serving/pipeline.h"
#include "server/stop_signals.h"
#include "server/support/auth.h"
#include "server/support/process_memory.h"
#include "server/support/readiness.h"
#include "server/telemetry/admin_server.h"
#include "server/telemetry/logging.h"
#include "server/telemetry/metrics.h"
#include "server/training/adapter_registry.h"
#include "server/training/adapter_store.h"
#include "server/training/dataset_store.h"
#include "server/training/train_manager.h"
#include "server/training/train_sources.h"
#include "spdlog/spdlog.h"
#include "storage/gist_store.h"
#ifdef GIST_TORCH
#include "core/base/process_tuning.h"
#include "core/embed/torch_embedder.h"
#include "core/engine/torch_engine.h"
#include "core/hub/hub.h"
#else
#include "core/embed/fake_embedder.h"
#include "core/engine/fake_engine.h"
#endif

namespace gist {
namespace {

std::string Installed(std::string_view adapter) {
  return fmt::format("{}/adapters/{}", InstallationFolder(), adapter);
}

#ifdef GIST_TORCH
// The model's path on this machine; a fetch from a hub is logged.
absl::StatusOr<std::string> BringModel(const std::string& model) {
  if (!model.starts_with(kHubPrefix)) return model;
  constexpr double kSecondsBetweenLines = 10;
  GIST_ASSIGN_OR_RETURN(HubOptions options, HubOptions::FromEnvironment());
  Clock::time_point last = Clock::now();
  options.progress = [&last](const HubProgress& progress) {
    const bool is_running = progress.step == HubStep::kFetches;
    if (is_running && SecondsSince(last) < kSecondsBetweenLines) return;
    last = Clock::now();
    SPDLOG_INFO("gistd {} file={:?} bytes={} of={}",
                is_running                           ? "fetching"
                : progress.step == HubStep::kFetched ? "fetched"
                                                     : "waiting",
                progress.file, progress.done, progress.total);
  };
  return LocalModel(model, options);
}
#endif

// Without a gist adapter.
absl::StatusOr<std::unique_ptr<Engine>> MakeEngine(const Config& config) {
#ifdef GIST_TORCH
  TorchEngineOptions options;
  GIST_ASSIGN_OR_RETURN(options.model_path, BringModel(config.model));
  const AdapterChoice answer =
      ChoiceOf(config.answer_adapter, Installed("answer"));
  options.answer_adapter_path = answer.folder;
  options.answer_adapter_required = answer.required;
  options.device = config.device;
  const ThreadCount threads = ChooseThreads(config.threads);
  options.threads = threads.threads;
  SPDLOG_INFO("threads={} reason={:?}", threads.threads, threads.reason);
  // CheckConfig has seen it.
  options.weights = *ChooseWeightStorage(config.weights, config.device);
  options.chat_template = config.chat_template;
  auto engine = MakeTorchEngine(options);
  if (engine.ok() && !answer.folder.empty() &&
      (*engine)->answer_adapter().fingerprint.empty()) {
    SPDLOG_WARN(
        "answer_adapter=none reason={:?}",
        fmt::format("{} is missing, or made for another model", answer.folder));
  }
  return engine;
#else
  SPDLOG_WARN("built with GIST_TORCH=OFF: a fake engine stands in for {}",
              config.model);
  FakeEngineOptions options = FakeOptionsFor(config.device);
  options.has_adapter = false;
  options.has_answer_adapter = config.answer_adapter != "off";
  return std::make_unique<FakeEngine>(options);
#endif
}

// Null: off.
absl::StatusOr<std::unique_ptr<Embedder>> MakeEmbedder(const Config& config) {
  if (config.embedder == "off") return nullptr;
#ifdef GIST_TORCH
  auto embedder = MakeTorchEmbedder(config.embedder, config.device);
  if (!absl::IsNotFound(embedder.status())) return embedder;
  return absl::NotFoundError(fmt::format(
      "{}; deploy/setup.sh fetches the default one and deploy/setup.sh minilm "
      "the English one, --embedder off does without passages",
      Message(embedder.status())));
#else
  return std::make_unique<FakeEmbedder>();
#endif
}

// The training side: all of it works in folders of the data folder.
struct Trainings {
  // `adapter`: in use by the engine; empty: none.
  Trainings(const Config& config, const ModelInfo& model, std::string adapter,
            Scheduler& scheduler)
      : datasets(config.data_dir + "/datasets",
                 {.max_bytes = config.limits.max_dataset_bytes}),
        adapters(config.data_dir + "/adapters"),
        promoter(scheduler, adapters, std::move(adapter), model.fingerprint),
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
  AdapterRegistry promoter;
  TrainPlanner planner;
  std::unique_ptr<TrainManager> manager;
};

// Null: off.
absl::StatusOr<std::unique_ptr<AdminServer>> ServeAdmin(
    const Config& config, Metrics& metrics, const Readiness& readiness) {
  if (config.admin == "off") return nullptr;
  static constexpr char kPrometheusText[] =
      "text/plain; version=0.0.4; charset=utf-8";
  return AdminServer::Start(
      config.admin,
      {{"/livez",
        [] {
          return AdminPage{200, "ok\n"};
        }},
       {"/readyz",
        [&readiness] {
          return readiness.ready() ? AdminPage{200, "ok\n"}
                                   : AdminPage{503, readiness.why() + "\n"};
        }},
       {"/metrics", [&metrics, &readiness] {
          metrics.SetReady(readiness.ready());
          return AdminPage{200, metrics.Render(), kPrometheusText};
        }}});
}

// Null: nobody is asked for a token.
absl::StatusOr<std::unique_ptr<Authenticator>> OpenAuthFile(
    const Config& config) {
  if (config.auth_file.empty()) return nullptr;
  auto opened = Authenticator::Open(config.auth_file);
  if (!opened.ok()) return Within("--auth-file", opened.status());
  return opened;
}

// Reports not ready, then refuses new work, then ends running work. A second
// signal skips to the end.
void Drain(const Config& config, StopSignals& signals, GrpcServer& server,
           TrainManager& trainings, Scheduler& scheduler) {
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(int64_t(seconds * 1000));
  };
  const int number = signals.Wait();
  SPDLOG_INFO("gistd draining signal={} drain_seconds={} grace_seconds={}",
              number, config.drain_seconds, config.shutdown_grace_seconds);
  server.StopServing();
  // Who presses Ctrl-C has no balancer.
  if (number == SIGTERM) {
    signals.WaitForSecond(milliseconds(config.drain_seconds));
  }
  trainings.BeginStop();
  signals.OnSecond(
      [&scheduler] { scheduler.Drain(std::chrono::milliseconds(0)); });
  scheduler.Drain(milliseconds(config.shutdown_grace_seconds));
  signals.OnSecond({});
  server.Shutdown();
  trainings.Stop();
  SPDLOG_INFO("gistd stopped");
}

// Opens the store, loads the model, opens `server` to calls and serves until a
// signal. `listening` ends the line that says ready.
absl::Status LoadAndServe(const Config& config, StopSignals& signals,
                          Metrics& metrics, GrpcServer& server,
                          std::string_view listening) {
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(auto opened, OpenGistStore(config.data_dir));
  const auto files = CountStore(std::move(opened), metrics);
  const SystemWallClock clock;
  GIST_ASSIGN_OR_RETURN(
      const auto store,
      RetentionManager::Open(
          *files, {config.limits.max_store_bytes, config.limits.max_contexts},
          clock));
  BackupFolder backups(*store, {.folder = config.backup_dir,
                                .data_folder = config.data_dir,
                                .max_backups = config.limits.max_backups});
  // Beside the model on a CPU. A GPU is prepared with the model first.
  auto loading = std::async(
      config.device == "cpu" ? std::launch::async : std::launch::deferred,
      [&] { return MakeEmbedder(config); });
  GIST_ASSIGN_OR_RETURN(const auto engine, MakeEngine(config));
  GIST_ASSIGN_OR_RETURN(
      const std::string adapter,
      UseFirstAdapter(*engine, ChoiceOf(config.adapter, Installed("default"))));
  GIST_ASSIGN_OR_RETURN(const auto embedder, loading.get());
  signals.SetEndsAtOnce(false);  // a training may go on from here
  Scheduler scheduler(
      *engine,
      {.max_jobs = config.limits.max_queue,
       .max_queued_tokens = config.limits.max_queued_tokens,
       .max_kv_bytes = config.limits.max_kv_bytes,
       .max_step_seconds = config.limits.max_step_seconds,
       .max_running_asks = config.limits.max_running_asks,
       .max_running_compressions = config.limits.max_running_compressions});
  Pipeline pipeline(*engine, *store, scheduler,
                    {.max_document_bytes = config.limits.max_document_bytes,
                     .max_document_tokens = config.limits.max_document_tokens,
                     .max_cached_kv_bytes = config.limits.max_cached_kv_bytes,
                     .max_index_bytes = config.limits.max_index_bytes},
                    embedder.get(), &clock);
  const int64_t contexts = store->usage().contexts;
  metrics.AddContexts(contexts);
  store->OnRemoved([&](const RemovedContext& removed) {
    if (removed.document_gone) pipeline.ForgetDocument(removed.document_id);
    metrics.CountRemoved(removed.why == Removal::kExpired ? "expired"
                                                          : "evicted");
  });
  const MaintenanceThread sweeper(*store, {});
  metrics.SetBuild({engine->model().name, engine->model().fingerprint,
                    engine->model().device});
  const auto reading =
      metrics.ReadFrom([&] { return ReadServer(pipeline, config.data_dir); });
  Trainings trainings(config, engine->model(), adapter, scheduler);
  GIST_RETURN_IF_ERROR(trainings.Start(config, *engine, metrics));
  // Calls end before the parts that they use.
  const absl::Cleanup shutdown = [&server] { server.Shutdown(); };
  server.Open({pipeline,
               TrainServiceParts{*trainings.manager, trainings.datasets,
                                 trainings.adapters, trainings.promoter},
               config.backup_dir.empty() ? nullptr : &backups});
  ReturnFreeMemory();  // what loading took
  SPDLOG_INFO(
      "gistd ready listen={} {} model={:?} adapter={:?} contexts={} "
      "seconds={:.1f}",
      server.address(), listening, engine->model().name, engine->adapter().name,
      contexts, SecondsSince(start));
  Drain(config, signals, server, *trainings.manager, scheduler);
  return absl::OkStatus();
}

// Both ports listen before the model loads: probes see a live server that is
// not ready, and calls get MODEL_LOADING.
absl::Status Serve(const Config& config, StopSignals& signals) {
  signals.SetEndsAtOnce(true);
  Metrics metrics;
  Readiness readiness;
  GIST_ASSIGN_OR_RETURN(const auto authenticator, OpenAuthFile(config));
  const TlsFiles tls = {config.tls_cert, config.tls_key, config.tls_client_ca};
  GIST_RETURN_IF_ERROR(CheckTlsFiles(tls));
  const Gate gate(authenticator.get(), config.open_health);
  GIST_ASSIGN_OR_RETURN(const auto admin,
                        ServeAdmin(config, metrics, readiness));
  GIST_ASSIGN_OR_RETURN(
      const auto server,
      GrpcServer::Listen(
          metrics,
          {.listen = config.listen,
           .max_threads = std::min(config.limits.max_queue, 4096) * 2 + 64,
           .has_training = true,
           .tls = tls,
           .gate = &gate,
           .readiness = &readiness,
           .has_reflection = authenticator == nullptr || config.open_reflection,
           .has_channelz = config.channelz}));
  SPDLOG_INFO("gistd loading model={:?} listen={}", config.model,
              server->address());
  return LoadAndServe(
      config, signals, metrics, *server,
      fmt::format("tls={} auth={} admin={}", !config.tls_cert.empty(),
                  authenticator != nullptr,
                  admin == nullptr ? "off" : admin->address()));
}

absl::Status Restore(const Config& config) {
  GIST_ASSIGN_OR_RETURN(const int64_t contexts,
                        RestoreBackup(config.restore, config.data_dir));
  std::printf("restored %lld contexts from %s to %s\n", (long long)contexts,
              config.restore.c_str(), config.data_dir.c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  StopSignals signals;  // first: threads inherit what it blocks
  StartLogging(LogFormat::kText);
  auto command_line = ParseCommandLine(argc, argv, environ);
  absl::Status status = command_line.status();
  if (status.ok()) {
    if (const auto* text = std::get_if<std::string>(&*command_line)) {
      std::fputs(text->c_str(), stdout);
      return 0;
    }
    const Config& config = std::get<Config>(*command_line);
    if (config.log_format == "json") StartLogging(LogFormat::kJson);
    status = Fence("gistd", [&] {
      return config.restore.empty() ? Serve(config, signals) : Restore(config);
    });
  }
  if (status.ok()) return 0;
  SPDLOG_ERROR("error={:?}", Message(status));
  return 1;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  // Each of malloc's arenas keeps pages of its own; with two for 29 threads a
  // soak holds 90 MB instead of 142, as fast.
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) mallopt(M_ARENA_MAX, 2);
#ifdef GIST_TORCH
  gist::KeepLargeBlocks();
#endif
  return gist::Main(argc, argv);
}
