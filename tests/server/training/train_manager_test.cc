#include "server/training/train_manager.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/training/train_harness.h"
#include "tests/support/read_file.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = TrainingUpdate::Kind;

using TrainManagerTest = TrainTest;

TEST_F(TrainManagerTest, ATrainingEndsInAnAdapterWithItsAccuracy) {
  Start();
  const Training training = server().WaitUntilOver(server().Submit(Request()));
  EXPECT_EQ(training.state, TrainState::kSucceeded);
  EXPECT_THAT(training.job_id, StartsWith("job_"));
  EXPECT_EQ(training.recipe, "gist_10");
  EXPECT_EQ(training.step, 20);
  EXPECT_EQ(training.steps, 20);
  EXPECT_GT(training.loss, 0);
  EXPECT_EQ(training.losses.size(), 20u);
  EXPECT_EQ(training.dev_accuracy, 0.75);
  EXPECT_EQ(training.baseline_accuracy, 0.5);
  EXPECT_EQ(training.adapter, "niah@1");
  EXPECT_FALSE(training.promoted);
  EXPECT_THAT(training.message,
              AllOf(HasSubstr("0.750"), HasSubstr("the configured adapter")));
  EXPECT_GE(training.started_unix_ms, training.created_unix_ms);
  EXPECT_GE(training.ended_unix_ms, training.started_unix_ms);
  const auto version = server().adapters.Find("niah");
  ASSERT_THAT(version, IsOk());
  EXPECT_EQ(version->Title(), "niah@1");
  EXPECT_EQ(version->job_id, training.job_id);
  EXPECT_EQ(version->dev_accuracy, 0.75);
  EXPECT_EQ(server().harness.engine.adapter().name, "fake adapter");
}

TEST_F(TrainManagerTest, ABetterAdapterIsPromotedWhereThatWasAskedFor) {
  Start();
  TrainRequest request = Request();
  request.promote_if_better = true;
  const Training training = server().WaitUntilOver(server().Submit(request));
  EXPECT_TRUE(training.promoted);
  EXPECT_EQ(server().harness.engine.adapter().name, "niah@1");
  // As good as the one in use is not better.
  const Training second = server().WaitUntilOver(server().Submit(request));
  EXPECT_EQ(second.adapter, "niah@2");
  EXPECT_EQ(second.baseline_accuracy, 0.75);
  EXPECT_FALSE(second.promoted);
  EXPECT_EQ(server().harness.engine.adapter().name, "niah@1");
}

TEST_F(TrainManagerTest, TheFirstAdapterIsComparedWithNone) {
  TrainSetup setup;
  setup.server.engine.has_adapter = false;
  Start(setup);
  TrainRequest request = Request();
  request.promote_if_better = true;
  const Training training = server().WaitUntilOver(server().Submit(request));
  EXPECT_EQ(training.state, TrainState::kSucceeded);
  EXPECT_EQ(training.baseline_accuracy, std::nullopt);
  EXPECT_TRUE(training.promoted);
  EXPECT_THAT(training.message, HasSubstr("no adapter was in use; promoted"));
  EXPECT_EQ(server().harness.engine.adapter().name, "niah@1");
}

TEST_F(TrainManagerTest, AMissedGateGoesOnWithTheNextRecipeAndSaysWhy) {
  TrainSetup setup = Slowly();
  setup.server.engine.trainer.accuracy = {{"gist_10", 0.4}, {"gist_25", 0.8}};
  Start(setup);
  const std::string id = server().Submit(Request());
  std::string message;
  for (const TrainingUpdate& update : server().WatchAll(id)) {
    if (update.kind == Kind::kRecipeChanged) message = update.message;
  }
  EXPECT_THAT(message, AllOf(HasSubstr("0.40 is below its gate of 0.60"),
                             HasSubstr("goes on with gist_25")));
  const Training training = server().WaitUntilOver(id);
  EXPECT_EQ(training.state, TrainState::kSucceeded);
  EXPECT_EQ(training.recipe, "gist_25");
  EXPECT_EQ(training.dev_accuracy, 0.8);
  EXPECT_EQ(training.losses.front().first, 1);
}

TEST_F(TrainManagerTest, AMissedGateWithoutANextRecipeFails) {
  TrainSetup setup;
  setup.server.engine.trainer.other_accuracy = 0.4;
  Start(setup);
  const Training training = server().WaitUntilOver(server().Submit(Request()));
  EXPECT_EQ(training.state, TrainState::kFailed);
  EXPECT_EQ(training.recipe, "gist_25");
  EXPECT_THAT(training.message, HasSubstr("FAILED_PRECONDITION: stage whole"));
  EXPECT_THAT(server().adapters.Find("niah"),
              StatusIs(StatusCode::kNotFound, _));
  // Whoever chose the number of gists gets that one or none.
  TrainRequest request = Request();
  request.gist_tokens = 8;
  EXPECT_EQ(server().WaitUntilOver(server().Submit(request)).recipe, "gist_10");
}

TEST_F(TrainManagerTest, OneRunsAndTheOthersWaitInOrder) {
  TrainSetup setup = Slowly();
  setup.options.max_queued = 2;
  Start(setup);
  const std::string first = server().Submit(Request("long"));
  server().WaitForStep(first, 1);
  const std::string second = server().Submit(Request());
  const std::string third = server().Submit(Request());
  EXPECT_THAT(manager().Submit(Request()),
              StatusIs(StatusCode::kResourceExhausted,
                       HasSubstr("2 trainings wait, the limit is 2")));
  EXPECT_EQ(manager().Get(second)->state, TrainState::kQueued);
  const auto all = manager().List();
  ASSERT_EQ(all.size(), 3u);
  ASSERT_THAT(manager().Cancel(first), IsOk());
  EXPECT_EQ(server().WaitUntilOver(first).state, TrainState::kCancelled);
  const Training a = server().WaitUntilOver(second);
  const Training b = server().WaitUntilOver(third);
  EXPECT_LE(a.ended_unix_ms, b.started_unix_ms);
  manager().Stop();  // what ended is counted a moment after it is told
  const std::string page = server().metrics.Render();
  EXPECT_THAT(page, HasSubstr("gist_trainings_running 0\n"));
  EXPECT_THAT(page,
              HasSubstr("gist_trainings_ended_total{state=\"SUCCEEDED\"} 2\n"));
}

TEST_F(TrainManagerTest, ATrainingIsCancelledInEveryState) {
  Start(Slowly());
  const std::string running = server().Submit(Request("long"));
  const std::string waiting = server().Submit(Request());
  server().WaitForStep(running, 1);
  EXPECT_EQ(manager().Cancel(waiting)->state, TrainState::kCancelled);
  ASSERT_THAT(manager().Cancel(running), IsOk());
  EXPECT_EQ(server().WaitUntilOver(running).state, TrainState::kCancelled);
  const Training done = server().WaitUntilOver(server().Submit(Request()));
  EXPECT_FALSE(std::filesystem::exists(folder() + "/training/" + running));
  EXPECT_EQ(manager().Cancel(done.job_id)->state, TrainState::kSucceeded);
  EXPECT_THAT(manager().Cancel("job_none"), StatusIs(StatusCode::kNotFound, _));
}

TEST_F(TrainManagerTest, AFailureIsTold) {
  TrainSetup setup;
  setup.server.engine.trainer.before_step = [](const TrainSpec&, int step) {
    if (step == 7) throw std::runtime_error("no more memory");
    return absl::OkStatus();
  };
  Start(setup);
  const Training training = server().WaitUntilOver(server().Submit(Request()));
  EXPECT_EQ(training.state, TrainState::kFailed);
  EXPECT_EQ(training.step, 6);
  EXPECT_THAT(training.message, HasSubstr("no more memory"));
}

TEST_F(TrainManagerTest, AnAdapterThatCannotBeWrittenFails) {
  TrainSetup setup;
  setup.server.engine.trainer.export_error =
      absl::ResourceExhaustedError("the disk is full");
  Start(setup);
  const Training training = server().WaitUntilOver(server().Submit(Request()));
  EXPECT_EQ(training.state, TrainState::kFailed);
  EXPECT_THAT(training.message, HasSubstr("the disk is full"));
  EXPECT_TRUE(server().adapters.List()->empty());
}

TEST_F(TrainManagerTest, AnAdapterThatTheEngineRefusesIsThereButNotInUse) {
  TrainSetup setup;
  setup.server.engine.before_call = [](std::string_view call) {
    return call == "UseAdapter" ? absl::DataLossError("not a number")
                                : absl::OkStatus();
  };
  Start(setup);
  TrainRequest request = Request();
  request.promote_if_better = true;
  const Training training = server().WaitUntilOver(server().Submit(request));
  EXPECT_EQ(training.state, TrainState::kSucceeded);
  EXPECT_FALSE(training.promoted);
  EXPECT_THAT(training.message, HasSubstr("not in use: not a number"));
  EXPECT_EQ(server().promoter.InUse().value(), "");
}

TEST_F(TrainManagerTest, TheSameRequestIdIsTheSameJob) {
  Start();
  TrainRequest request = Request();
  request.request_id = "once";
  const std::string id = server().Submit(request);
  EXPECT_EQ(server().Submit(request), id);
  request.steps = 7;
  EXPECT_THAT(manager().Submit(request),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(id)));
  request.steps = 0;
  server().WaitUntilOver(id);
  Start();
  EXPECT_EQ(server().Submit(request), id);
}

TEST_F(TrainManagerTest, AWatcherGetsASnapshotThenAllThatHappensThenTheEnd) {
  Start(Slowly());
  const std::string id = server().Submit(Request());
  const auto updates = server().WatchAll(id);
  ASSERT_GE(updates.size(), 3u);
  EXPECT_EQ(updates.front().kind, Kind::kSnapshot);
  EXPECT_EQ(updates.back().kind, Kind::kState);
  EXPECT_EQ(updates.back().training->state, TrainState::kSucceeded);
  EXPECT_EQ(updates.back().training->adapter, "niah@1");
  int last_step = 0;
  for (size_t i = 2; i < updates.size(); ++i) {
    EXPECT_EQ(updates[i].sequence, updates[i - 1].sequence + 1);
    if (updates[i].kind != Kind::kStep) continue;
    EXPECT_GT(updates[i].event.step, last_step);
    last_step = updates[i].event.step;
  }
  EXPECT_EQ(last_step, 20);
  // Again, when all is over: what is known, and no more.
  const auto later = server().WatchAll(id);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later.front().training->losses.size(), 20u);
}

TEST_F(TrainManagerTest, ASlowWatcherMissesStepsAndNeverTheEnd) {
  Start();
  TrainRequest request = Request("long");
  request.steps = 2000;
  const std::string id = server().Submit(request);
  size_t seen = 0;
  Kind last = Kind::kSnapshot;
  EXPECT_THAT(manager().Watch(id, Caller(),
                              [&](const TrainingUpdate& update) {
                                if (++seen == 2) server().WaitUntilOver(id);
                                last = update.kind;
                                return true;
                              }),
              IsOk());
  EXPECT_EQ(last, Kind::kState);
  EXPECT_LT(seen, 1000u);
}

TEST_F(TrainManagerTest, ATrainingOutlivesItsWatcher) {
  Start(Slowly());
  const std::string id = server().Submit(Request());
  EXPECT_THAT(manager().Watch(id, Caller(),
                              [](const TrainingUpdate&) { return false; }),
              StatusIs(StatusCode::kCancelled, _));
  Caller caller;
  caller.deadline = Clock::now() + std::chrono::milliseconds(5);
  EXPECT_THAT(
      manager().Watch(id, caller, [](const TrainingUpdate&) { return true; }),
      StatusIs(StatusCode::kDeadlineExceeded, _));
  EXPECT_EQ(server().WatchAll(id).back().training->state,
            TrainState::kSucceeded);
}

TEST_F(TrainManagerTest, TooManyWatchersAreTurnedAwayAndTheTrainingGoesOn) {
  TrainSetup setup = Slowly();
  setup.options.max_watchers = 1;
  Start(setup);
  const std::string id = server().Submit(Request());
  const auto reads_all = [](const TrainingUpdate&) { return true; };
  EXPECT_THAT(manager().Watch(id, Caller(),
                              [&](const TrainingUpdate&) {
                                EXPECT_THAT(
                                    manager().Watch(id, Caller(), reads_all),
                                    StatusIs(StatusCode::kResourceExhausted,
                                             HasSubstr("watch it later")));
                                return true;
                              }),
              IsOk());
  EXPECT_THAT(manager().Watch(id, Caller(), reads_all), IsOk());
}

TEST_F(TrainManagerTest, LossesAreThinnedOutAndKeepTheFirst) {
  Start();
  TrainRequest request = Request("long");
  request.steps = 3000;
  const Training training = server().WaitUntilOver(server().Submit(request));
  EXPECT_LE(training.losses.size(), kMaxLossPoints);
  EXPECT_GE(training.losses.size(), kMaxLossPoints / 3);
  EXPECT_EQ(training.losses.front().first, 1);
  EXPECT_GT(training.losses.back().first, 2900);
}

TEST_F(TrainManagerTest, AStopLeavesACheckpointAndTheNextStartGoesOn) {
  Start(Slowly());
  const std::string id = server().Submit(Request("long"));
  const std::string waiting = server().Submit(Request());
  server().WaitForStep(id, 33);
  std::thread watcher([&] {
    EXPECT_THAT(manager().Watch(id, Caller(),
                                [](const TrainingUpdate&) { return true; }),
                StatusIs(StatusCode::kUnavailable, HasSubstr("goes on")));
  });
  manager().Stop();
  watcher.join();
  const Training stopped = manager().Get(id).value();
  EXPECT_EQ(stopped.state, TrainState::kInterrupted);
  EXPECT_THAT(manager().Submit(Request()),
              StatusIs(StatusCode::kUnavailable, _));
  std::atomic<int> first_step = 0;
  TrainSetup setup = Slowly();
  setup.server.engine.trainer.before_step = [&](const TrainSpec&, int step) {
    if (first_step == 0) first_step = step;
    return absl::OkStatus();
  };
  Start(setup);
  server().WaitForStep(id, stopped.step + 1);
  EXPECT_EQ(first_step, stopped.step + 1);
  EXPECT_EQ(manager().Get(id)->state, TrainState::kRunning);
  EXPECT_EQ(manager().Get(id)->losses.size(), size_t(manager().Get(id)->step));
  EXPECT_EQ(manager().Get(waiting)->state, TrainState::kQueued);
}

// Makes the stored record say that the server ended in the middle.
void LeaveRunning(const std::string& path) {
  Training training = TrainingFromJson(ReadFile(path)).value();
  training.state = TrainState::kRunning;
  std::ofstream(path) << ToJson(training);
}

TEST_F(TrainManagerTest, ACrashIsFoundOutAndTheTrainingGoesOn) {
  Start(Slowly());
  const std::string id = server().Submit(Request("long"));
  server().WaitForStep(id, 12);
  Stop();
  const std::string record = folder() + "/training/" + id + ".json";
  LeaveRunning(record);
  Start(Slowly(std::chrono::milliseconds(100)));
  EXPECT_EQ(manager().Get(id)->crashes, 1);
  server().WaitFor(id, [](const Training& t) {
    return t.state == TrainState::kRunning && t.step >= 12;
  });
  Stop();
  LeaveRunning(record);
  Start(Slowly(std::chrono::milliseconds(100)));
  Stop();
  LeaveRunning(record);
  Start();
  const Training failed = manager().Get(id).value();
  EXPECT_EQ(failed.state, TrainState::kFailed);
  EXPECT_THAT(failed.message, HasSubstr("ended 3 times while it ran"));
}

TEST_F(TrainManagerTest, ADamagedRecordIsLeftAloneAndTheOthersAreThere) {
  Start();
  const std::string id = server().Submit(Request());
  server().WaitUntilOver(id);
  Stop();
  std::ofstream(folder() + "/training/job_bad.json") << "{\"job_id\": 3";
  Start();
  EXPECT_EQ(manager().List().size(), 1u);
  EXPECT_EQ(manager().Get(id)->state, TrainState::kSucceeded);
  EXPECT_TRUE(std::filesystem::exists(folder() + "/training/job_bad.json"));
}

TEST_F(TrainManagerTest, ADamagedCheckpointFailsAndSaysSo) {
  Start(Slowly());
  const std::string id = server().Submit(Request("long"));
  server().WaitForStep(id, 12);
  Stop();
  std::ofstream(folder() + "/training/" + id + "/long/checkpoint") << "12x";
  Start();
  const Training training = server().WaitUntilOver(id);
  EXPECT_EQ(training.state, TrainState::kFailed);
  EXPECT_THAT(training.message, HasSubstr("DATA_LOSS: checkpoint"));
}

TEST_F(TrainManagerTest, TheOldestThatAreOverAreForgotten) {
  TrainSetup setup;
  setup.options.max_kept = 2;
  Start(setup);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(server().Submit(Request()));
    server().WaitUntilOver(ids.back());
  }
  manager().Stop();
  EXPECT_EQ(manager().List().size(), 2u);
  EXPECT_THAT(manager().Get(ids[0]), StatusIs(StatusCode::kNotFound, _));
  EXPECT_FALSE(
      std::filesystem::exists(folder() + "/training/" + ids[0] + ".json"));
  EXPECT_THAT(manager().Get(ids[3]), IsOk());
}

TEST_F(TrainManagerTest, ServingGoesOnWhileATrainingRuns) {
  Start(Slowly());
  const std::string id = server().Submit(Request("long"));
  server().WaitForStep(id, 1);
  for (int i = 0; i < 20; ++i) {
    const std::string passkey = "KEY1" + std::to_string(10 + i);
    const std::string context = server().harness.IdOf(DocumentWith(passkey));
    EXPECT_EQ(server()
                  .harness.Ask({.context_ids = {context}, .question = "Q"})
                  .value(),
              AnswerTo(passkey, "Q"));
  }
  EXPECT_EQ(manager().Get(id)->state, TrainState::kRunning);
  EXPECT_EQ(server().harness.engine.counts().overlapping_calls, 0);
}

TEST_F(TrainManagerTest, ADatasetInUseStays) {
  Start(Slowly());
  std::string lines;
  for (int i = 0; i < 20; ++i) {
    lines += fmt::format(
        "{{\"context\": \"c{}\", \"question\": \"q\", \"answer\": \"a\"}}\n",
        i);
  }
  const std::string dataset = server().datasets.Add(lines)->dataset_id;
  TrainRequest request = Request("long");
  request.generator.reset();
  request.dataset_ids = {dataset};
  const std::string id = server().Submit(request);
  EXPECT_THAT(manager().DeleteDataset(dataset),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr(id)));
  ASSERT_THAT(manager().Cancel(id), IsOk());
  server().WaitUntilOver(id);
  EXPECT_THAT(manager().DeleteDataset(dataset), IsOk());
  EXPECT_THAT(manager().Submit(request), StatusIs(StatusCode::kNotFound, _));
}

}  // namespace
}  // namespace gist
