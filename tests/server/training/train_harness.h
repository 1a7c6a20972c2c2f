// A server's training side without a port: fake engine and trainer, real queue,
// stores and records.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/training/train_manager.h"
#include "spdlog/spdlog.h"
#include "tests/server/harness.h"
#include "tests/support/fake_tasks.h"

namespace gist {

// Presets "gist_10" (whose gate hands on to "gist_25"), "gist_25" (the last
// one) and "long" (10,000 steps): 20 steps of two stages with a gate of 0.6.
inline absl::StatusOr<TrainRecipe> TestRecipe(const std::string& name) {
  TrainRecipe recipe;
  recipe.name = name;
  recipe.evaluate_every_steps = name == "long" ? 500 : 5;
  recipe.checkpoint_every_steps = recipe.evaluate_every_steps;
  recipe.layout.gist_tokens = name == "gist_25" ? 25 : 10;
  const int steps = name == "long" ? 5000 : 10;
  recipe.stages = {{"short", steps, 256, 1024, 0},
                   {"whole", steps, 1024, 4096, name == "long" ? 0 : 0.6}};
  if (name == "gist_10") recipe.next_recipe = "gist_25";
  if (name == "gist_10" || name == "gist_25" || name == "long") return recipe;
  return absl::NotFoundError("no preset " + name + "; there are gist_10, ...");
}

inline absl::StatusOr<GeneratedTasks> TestTasks(const GeneratorRequest& asked) {
  if (asked.name != "niah") {
    return absl::InvalidArgumentError("generator " + asked.name +
                                      ", want niah");
  }
  return GeneratedTasks{std::make_shared<FakeTasks>(),
                        std::make_shared<FakeTasks>()};
}

struct TrainSetup {
  HarnessOptions server;
  TrainOptions options;
  DatasetLimits limits;
};

class TrainHarness {
 public:
  // Opens the data folder, which may hold something already.
  TrainHarness(const std::string& folder, TrainSetup setup)
      : harness(folder, std::move(setup.server)),
        datasets(folder + "/datasets", setup.limits),
        adapters(folder + "/adapters"),
        promoter(
            harness.scheduler, adapters,
            harness.engine.adapter().is_loaded() ? folder + "/configured" : "",
            harness.engine.model().fingerprint),
        planner(TestRecipe, TestTasks, datasets, adapters) {
    std::filesystem::create_directories(folder + "/configured");
    std::ofstream(folder + "/configured/adapter_config.json") << "{}";
    EXPECT_THAT(promoter.Restore(), IsOk());
    setup.options.folder = folder + "/training";
    manager = TrainManager::Start(
                  setup.options, datasets,
                  {harness.engine, planner, adapters, promoter, metrics})
                  .value();
  }

  // The job's id, or a failed test.
  std::string Submit(const TrainRequest& request) {
    const auto training = manager->Submit(request);
    EXPECT_THAT(training, IsOk());
    return training.ok() ? training->job_id : "";
  }
  // Waits up to ten seconds.
  template <typename Wanted>
  Training WaitFor(const std::string& job_id, const Wanted& wanted) {
    Training training = manager->Get(job_id).value();
    for (int i = 0; i < 2000 && !wanted(training); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      training = manager->Get(job_id).value();
    }
    EXPECT_TRUE(wanted(training)) << ToJson(training);
    return training;
  }
  Training WaitUntilOver(const std::string& job_id) {
    return WaitFor(job_id, [](const Training& t) { return IsOver(t.state); });
  }
  Training WaitForStep(const std::string& job_id, int step) {
    return WaitFor(job_id, [step](const Training& t) {
      return t.step >= step || IsOver(t.state);
    });
  }
  std::vector<TrainingUpdate> WatchAll(const std::string& job_id) {
    std::vector<TrainingUpdate> updates;
    EXPECT_THAT(manager->Watch(job_id, Caller(),
                               [&](const TrainingUpdate& update) {
                                 updates.push_back(update);
                                 return true;
                               }),
                IsOk());
    return updates;
  }

  Harness harness;
  Metrics metrics;
  DatasetStore datasets;
  AdapterStore adapters;
  AdapterRegistry promoter;
  TrainPlanner planner;
  std::unique_ptr<TrainManager> manager;
};

// A test with a data folder and a training server over it.
class TrainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }

  void Start(TrainSetup setup = {}) {
    server_.reset();
    server_ = std::make_unique<TrainHarness>(folder(), std::move(setup));
  }
  void Stop() { server_.reset(); }
  // Steps that take a while, so that a test can act between them.
  static TrainSetup Slowly(std::chrono::milliseconds step = kStep) {
    TrainSetup setup;
    setup.server.engine.trainer.step_delay = step;
    return setup;
  }
  TrainHarness& server() { return *server_; }
  TrainManager& manager() { return *server_->manager; }
  std::string folder() const { return dir_ / "data"; }

  static TrainRequest Request(const std::string& preset = "gist_10") {
    TrainRequest request;
    request.preset = preset;
    request.name = "niah";
    request.generator.emplace().name = "niah";
    return request;
  }

  static constexpr std::chrono::milliseconds kStep{2};

 private:
  TempDir dir_;
  std::unique_ptr<TrainHarness> server_;
};

}  // namespace gist
