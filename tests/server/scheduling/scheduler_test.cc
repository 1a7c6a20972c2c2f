#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/engine/fake_engine.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;

// Where jobs write what happened, and tests wait for it.
class Journal {
 public:
  void Add(const std::string& line) {
    const std::scoped_lock lock(mutex_);
    lines_.push_back(line);
  }
  void End(const std::string& name, const absl::Status& status) {
    {
      const std::scoped_lock lock(mutex_);
      ends_.push_back({name, status});
    }
    changed_.notify_all();
  }
  // How the jobs ended, in that order, once `count` have.
  std::vector<std::pair<std::string, absl::Status>> WaitForEnds(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.size() >= count; });
    return ends_;
  }
  void NoteStep(int max_tokens) {
    const std::scoped_lock lock(mutex_);
    step_tokens_.push_back(max_tokens);
  }
  std::vector<int> step_tokens() {
    const std::scoped_lock lock(mutex_);
    return step_tokens_;
  }
  std::vector<std::string> lines() {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  std::vector<int> step_tokens_;
  std::vector<std::pair<std::string, absl::Status>> ends_;
};

struct Script {
  std::string name;
  int steps = 1;   // before it decodes
  int tokens = 0;  // then
  Job::QueueClass queue_class = Job::QueueClass::kAsk;
  std::function<absl::Status(int step)> on_step = {};
  int64_t text_tokens = 0;  // read in as many steps as they take
  int64_t kv_tokens = 0;
  std::chrono::microseconds per_token{0};  // of the text
};

class ScriptedJob : public Job {
 public:
  ScriptedJob(Script script, Journal& journal)
      : script_(std::move(script)), journal_(journal) {}
  ~ScriptedJob() override { journal_.Add(script_.name + " gone"); }

  QueueClass queue_class() const override { return script_.queue_class; }
  int64_t tokens_left() const override { return script_.text_tokens - read_; }
  int64_t tokens_read() const override { return read_; }
  int64_t kv_tokens() const override { return script_.kv_tokens; }
  absl::StatusOr<Next> Step(Engine& engine, int max_tokens) override {
    ++step_;
    journal_.Add(script_.name + std::to_string(step_));
    journal_.NoteStep(max_tokens);
    if (script_.on_step) {
      if (const auto status = script_.on_step(step_); !status.ok()) {
        return status;
      }
    }
    const int64_t reads = std::min<int64_t>(max_tokens, tokens_left());
    std::this_thread::sleep_for(script_.per_token * reads);
    read_ += reads;
    if (step_ < script_.steps || tokens_left() > 0) return Next::kStep;
    if (script_.tokens == 0) return Next::kDone;
    auto prompt = engine.StartPrompt({});
    if (!prompt.ok()) return prompt.status();
    prompt_ = *std::move(prompt);
    return Next::kDecode;
  }
  PromptSequence* prompt() override { return prompt_.get(); }
  absl::StatusOr<Next> Take(const DecodedToken&) override {
    journal_.Add(script_.name + " token");
    return ++taken_ < script_.tokens ? Next::kDecode : Next::kDone;
  }
  void End(const absl::Status& status) override {
    journal_.End(script_.name, status);
  }

 private:
  const Script script_;
  Journal& journal_;
  std::unique_ptr<PromptSequence> prompt_;
  int step_ = 0;
  int taken_ = 0;
  int64_t read_ = 0;
};

// A step that waits until the test opens it, and tells when it is reached.
class Gate {
 public:
  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return absl::OkStatus();
  }
  void WaitUntilReached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  void Open() {
    {
      const std::scoped_lock lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false;
  bool open_ = false;
};

class SchedulerTest : public testing::Test {
 protected:
  void Start(SchedulerOptions options = {}) {
    scheduler_ = std::make_unique<Scheduler>(engine_, options);
  }
  absl::Status Submit(Script script, Caller caller = {}) {
    return scheduler_->Submit(
        std::make_unique<ScriptedJob>(std::move(script), journal_),
        std::move(caller));
  }
  // Holds the scheduler's thread until gate_ opens, so that jobs pile up.
  void SubmitGate() {
    Script gate{.name = "gate"};
    gate.on_step = [this](int) { return gate_.Wait(); };
    ASSERT_THAT(Submit(gate), IsOk());
    gate_.WaitUntilReached();
  }

  FakeEngineOptions fake_{.max_chunk_tokens = 64};
  FakeEngine engine_{fake_};
  Journal journal_;
  Gate gate_;
  std::unique_ptr<Scheduler> scheduler_;  // ends before what its jobs use
};

TEST_F(SchedulerTest, JobsTakeTurnsStepByStep) {
  Start();
  SubmitGate();
  ASSERT_THAT(Submit({.name = "a", .steps = 3}), IsOk());
  ASSERT_THAT(Submit({.name = "b", .steps = 2}), IsOk());
  gate_.Open();
  journal_.WaitForEnds(3);
  scheduler_.reset();
  EXPECT_THAT(journal_.lines(),
              ElementsAre("gate1", "gate gone", "a1", "b1", "a2", "b2",
                          "b gone", "a3", "a gone"));
}

TEST_F(SchedulerTest, PromptsThatAreReadyAreDecodedInOneBatch) {
  Start();
  SubmitGate();
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_THAT(Submit({.name = name, .tokens = 4}), IsOk());
  }
  gate_.Open();
  journal_.WaitForEnds(4);
  EXPECT_EQ(engine_.counts().largest_decode_batch, 3);
  EXPECT_EQ(engine_.counts().decodes, 4);
}

TEST_F(SchedulerTest, ATokenWaitsForOneStepOfEachOtherJobOnly) {
  Start();
  SubmitGate();
  ASSERT_THAT(Submit({.name = "ask", .tokens = 2}), IsOk());
  ASSERT_THAT(Submit({.name = "long",
                      .steps = 4,
                      .queue_class = Job::QueueClass::kCompress}),
              IsOk());
  gate_.Open();
  journal_.WaitForEnds(3);
  scheduler_.reset();
  EXPECT_THAT(
      journal_.lines(),
      ElementsAre("gate1", "gate gone", "ask1", "long1", "ask token", "long2",
                  "ask token", "ask gone", "long3", "long4", "long gone"));
}

TEST_F(SchedulerTest, ATokenWaitsForOneLongStepHoweverManyTextsAreRead) {
  Start({.max_step_seconds = 0, .max_running_compressions = 3});
  SubmitGate();
  for (const char* name : {"x", "y"}) {
    ASSERT_THAT(Submit({.name = name,
                        .queue_class = Job::QueueClass::kCompress,
                        .text_tokens = 96}),
                IsOk());
  }
  ASSERT_THAT(Submit({.name = "ask", .tokens = 3, .text_tokens = 32}), IsOk());
  gate_.Open();
  journal_.WaitForEnds(4);
  scheduler_.reset();
  // Texts of three steps of 32 tokens; their last step is a short one.
  EXPECT_THAT(journal_.lines(),
              ElementsAre("gate1", "gate gone", "ask1", "ask token", "x1",
                          "ask token", "y1", "ask token", "x2", "ask gone",
                          "x3", "y2", "x gone", "y3", "y gone"));
}

TEST_F(SchedulerTest, StepsInCompanyAreAsLongAsTheMeasuredSpeedAllows) {
  Start({.max_step_seconds = 0.02, .quiet_seconds = 1000});
  SubmitGate();
  for (const char* name : {"a", "b"}) {
    ASSERT_THAT(Submit({.name = name}), IsOk());
  }
  gate_.Open();
  journal_.WaitForEnds(3);
  const size_t before = journal_.step_tokens().size();
  using std::chrono::microseconds;
  ASSERT_THAT(Submit({.name = "slow",
                      .queue_class = Job::QueueClass::kCompress,
                      .text_tokens = 160,
                      .per_token = microseconds(2000)}),
              IsOk());
  journal_.WaitForEnds(4);
  const std::vector<int> steps = journal_.step_tokens();
  for (size_t i = before; i < steps.size(); ++i) EXPECT_EQ(steps[i], 32);
  EXPECT_GT(scheduler_->Load().tokens_per_second, 100);
  EXPECT_LT(scheduler_->Load().tokens_per_second, 500);
  ASSERT_THAT(Submit({.name = "fast",
                      .queue_class = Job::QueueClass::kCompress,
                      .text_tokens = 64 * 60}),
              IsOk());
  journal_.WaitForEnds(5);
  EXPECT_EQ(journal_.step_tokens().back(), 64) << "the engine's own limit";
}

// Engines of the default's largest step.
class LoneStepTest : public SchedulerTest {
 protected:
  void Start(SchedulerOptions options) {
    scheduler_ = std::make_unique<Scheduler>(wide_engine_, options);
  }
  // A text of 2,048 tokens at 10,000 tokens/s; `on_third` runs in its third
  // step.
  Script Text(std::function<void()> on_third) {
    Script text{.name = "text",
                .queue_class = Job::QueueClass::kCompress,
                .text_tokens = 2048,
                .per_token = std::chrono::microseconds(100)};
    text.on_step = [on_third = std::move(on_third)](int step) {
      if (step == 3) on_third();
      return absl::OkStatus();
    };
    return text;
  }

  FakeEngine wide_engine_{FakeEngineOptions{.max_chunk_tokens = 256}};
};

TEST_F(LoneStepTest, ALoneJobTakesTheEnginesLargestSteps) {
  Start({.max_step_seconds = 0});
  ASSERT_THAT(Submit(Text([] {})), IsOk());
  journal_.WaitForEnds(1);
  const std::vector<int> steps = journal_.step_tokens();
  EXPECT_EQ(steps.front(), 64) << "no speed is known yet";
  for (size_t i = 1; i < steps.size(); ++i) EXPECT_EQ(steps[i], 256);
}

TEST_F(LoneStepTest, AnAskThatArrivesShortensTheNextStep) {
  Start({.max_step_seconds = 0.004, .quiet_seconds = 1000});
  ASSERT_THAT(
      Submit(Text([&] { EXPECT_THAT(Submit({.name = "ask"}), IsOk()); })),
      IsOk());
  EXPECT_EQ(journal_.WaitForEnds(2)[0].first, "ask");
  const std::vector<int> steps = journal_.step_tokens();
  ASSERT_GT(steps.size(), 4u);
  EXPECT_EQ(steps[2], 256);
  for (size_t i = 3; i < steps.size(); ++i) EXPECT_EQ(steps[i], 32) << i;
}

TEST_F(LoneStepTest, StepsGrowAgainAfterAQuietTime) {
  Start({.max_step_seconds = 0.004, .quiet_seconds = 0});
  ASSERT_THAT(
      Submit(Text([&] { EXPECT_THAT(Submit({.name = "ask"}), IsOk()); })),
      IsOk());
  journal_.WaitForEnds(2);
  const std::vector<int> steps = journal_.step_tokens();
  EXPECT_EQ(steps[3], 32);
  EXPECT_EQ(steps.back(), 256);
}

TEST_F(LoneStepTest, ASlowMachineBoundsALoneStepByItsTime) {
  Start({.max_lone_step_seconds = 0.05});
  Script text{.name = "text",
              .queue_class = Job::QueueClass::kCompress,
              .text_tokens = 320,
              .per_token = std::chrono::microseconds(1000)};
  ASSERT_THAT(Submit(text), IsOk());
  journal_.WaitForEnds(1);
  for (const int tokens : journal_.step_tokens()) EXPECT_EQ(tokens, 64);
}

TEST_F(SchedulerTest, WhoWasGivenLeastStartsFirst) {
  Start({.max_running_asks = 1});
  SubmitGate();
  const Caller greedy{.principal = {.tenant = "greedy"}};
  const Caller modest{.principal = {.tenant = "modest"}};
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_THAT(Submit({.name = name, .text_tokens = 20}, greedy), IsOk());
  }
  ASSERT_THAT(Submit({.name = "z", .text_tokens = 20}, modest), IsOk());
  gate_.Open();
  std::vector<std::string> order;
  for (const auto& [name, status] : journal_.WaitForEnds(5)) {
    order.push_back(name);
  }
  EXPECT_THAT(order, ElementsAre("gate", "a", "z", "b", "c"));
}

TEST_F(SchedulerTest, ANewcomerDoesNotOvertakeForWhatItDidNotUseBefore) {
  Start({.max_running_asks = 1});
  SubmitGate();
  const Caller old{.principal = {.tenant = "old"}};
  const Caller late{.principal = {.tenant = "late"}};
  for (const char* name : {"a", "b"}) {
    ASSERT_THAT(Submit({.name = name, .text_tokens = 900}, old), IsOk());
  }
  Script submits{.name = "c", .text_tokens = 1};
  submits.on_step = [&](int) {
    for (const char* name : {"x", "y"}) {
      EXPECT_THAT(Submit({.name = name, .text_tokens = 900}, late), IsOk());
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(Submit(submits, old), IsOk());
  ASSERT_THAT(Submit({.name = "d", .text_tokens = 900}, old), IsOk());
  gate_.Open();
  std::vector<std::string> order;
  for (const auto& [name, status] : journal_.WaitForEnds(7)) {
    order.push_back(name);
  }
  // "old" has been given 1,801 when "late" comes; they go on side by side.
  EXPECT_THAT(order, ElementsAre("gate", "a", "b", "c", "d", "x", "y"));
}

TEST_F(SchedulerTest, CompressionsLeavePlacesToQuestions) {
  Start({.max_running_asks = 1, .max_running_compressions = 1});
  SubmitGate();
  for (const char* name : {"c", "d"}) {
    ASSERT_THAT(Submit({.name = name,
                        .steps = 2,
                        .queue_class = Job::QueueClass::kCompress}),
                IsOk());
  }
  ASSERT_THAT(Submit({.name = "ask"}), IsOk());
  gate_.Open();
  const auto ends = journal_.WaitForEnds(4);
  EXPECT_EQ(ends[1].first, "ask");
  EXPECT_EQ(ends[2].first, "c");
  EXPECT_EQ(ends[3].first, "d");
}

TEST_F(SchedulerTest, RefusesMoreJobsThanTheLimitAndTakesThemAgainLater) {
  Start({.max_jobs = 2});
  SubmitGate();
  EXPECT_THAT(Submit({.name = "a"}), IsOk());
  EXPECT_THAT(Submit({.name = "b"}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("2 requests wait or run, the limit is 2")));
  gate_.Open();
  journal_.WaitForEnds(2);
  EXPECT_THAT(Submit({.name = "b"}), IsOk());
  EXPECT_EQ(journal_.WaitForEnds(3).back().first, "b");
}

TEST_F(SchedulerTest, RefusesMoreTokensThanTheLimitButTakesOneTextOfAnySize) {
  Start({.max_queued_tokens = 1000});
  SubmitGate();
  EXPECT_THAT(Submit({.name = "a", .text_tokens = 5000}), IsOk());
  EXPECT_EQ(scheduler_->Load().queued_tokens, 5000);
  EXPECT_THAT(Submit({.name = "b", .text_tokens = 7}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("5000 tokens wait to be read, 7 more would "
                                 "exceed the limit of 1000")));
  EXPECT_THAT(Submit({.name = "c"}), IsOk()) << "reads nothing";
  gate_.Open();
  journal_.WaitForEnds(3);
  EXPECT_EQ(scheduler_->Load().queued_tokens, 0);
  EXPECT_THAT(Submit({.name = "b", .text_tokens = 7}), IsOk());
  journal_.WaitForEnds(4);
}

TEST_F(SchedulerTest, KeysAndValuesOfRunningJobsStayBelowTheLimit) {
  const int64_t token = engine_.model().KvMemoryBytes(1);
  Start({.max_kv_bytes = 100 * token});
  SubmitGate();
  int running = 0, most = 0;
  const auto count = [&](int step) {
    running += step == 1 ? 1 : -1;
    most = std::max(most, running);
    return absl::OkStatus();
  };
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_THAT(
        Submit({.name = name, .steps = 2, .on_step = count, .kv_tokens = 40}),
        IsOk());
  }
  EXPECT_THAT(
      Submit({.name = "e", .kv_tokens = 101}),
      StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("101 tokens need")));
  gate_.Open();
  journal_.WaitForEnds(5);
  EXPECT_EQ(most, 2);
  EXPECT_EQ(scheduler_->Load().kv_bytes, 0);
}

TEST_F(SchedulerTest, RefusesWhatCannotBeReadBeforeTheDeadline) {
  Start();
  using std::chrono::microseconds;
  const Caller hurried{.deadline = Clock::now() + std::chrono::seconds(5)};
  EXPECT_THAT(
      Submit(
          {.name = "first", .text_tokens = 64, .per_token = microseconds(500)},
          hurried),
      IsOk())
      << "no speed is known yet";
  journal_.WaitForEnds(1);
  EXPECT_THAT(Submit({.name = "long", .text_tokens = 100000}, hurried),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("100000 tokens are to be read, which takes")));
  EXPECT_THAT(Submit({.name = "short", .text_tokens = 10}, hurried), IsOk());
  journal_.WaitForEnds(2);
}

TEST_F(SchedulerTest, OutOfMemoryFreesCachesAndTriesOnceWithHalf) {
  Start({.max_step_seconds = 0});
  int freed = 0;
  scheduler_->OnOutOfMemory([&] { ++freed; });
  Script recovers{.name = "a", .text_tokens = 40};
  recovers.on_step = [&](int step) {
    return step == 1 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  };
  ASSERT_THAT(Submit(recovers), IsOk());
  EXPECT_THAT(journal_.WaitForEnds(1)[0].second, IsOk());
  EXPECT_EQ(freed, 1);
  EXPECT_THAT(journal_.step_tokens(), ElementsAre(64, 32, 64));
  Script fails{.name = "b"};
  fails.on_step = [](int) { return absl::ResourceExhaustedError("full"); };
  ASSERT_THAT(Submit(fails), IsOk());
  EXPECT_THAT(journal_.WaitForEnds(2)[1].second,
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_EQ(freed, 2);
}

class FailingBatchTest : public SchedulerTest,
                         public testing::WithParamInterface<absl::StatusCode> {
};

TEST_P(FailingBatchTest, IsDecodedPromptByPrompt) {
  std::atomic<int> decodes = 0;
  FakeEngineOptions options;
  options.before_call = [&](std::string_view call) {
    // The batch, and then the second of the two.
    const bool fails = call == "Decode" && (++decodes == 1 || decodes == 3);
    return fails ? absl::Status(GetParam(), "no") : absl::OkStatus();
  };
  FakeEngine engine(options);
  scheduler_ = std::make_unique<Scheduler>(engine, SchedulerOptions());
  SubmitGate();
  ASSERT_THAT(Submit({.name = "a", .tokens = 1}), IsOk());
  ASSERT_THAT(Submit({.name = "b", .tokens = 1}), IsOk());
  gate_.Open();
  const auto ends = journal_.WaitForEnds(3);
  EXPECT_EQ(ends[1].first, "a");
  EXPECT_THAT(ends[1].second, IsOk());
  EXPECT_THAT(ends[2].second, StatusIs(GetParam(), _));
  scheduler_.reset();
}

INSTANTIATE_TEST_SUITE_P(Codes, FailingBatchTest,
                         testing::Values(absl::StatusCode::kResourceExhausted,
                                         absl::StatusCode::kInternal));

TEST_F(SchedulerTest, ACallerWhoLeavesEndsTheJobBeforeItsNextStep) {
  Start();
  std::atomic<bool> left = false;
  Script script{.name = "a", .steps = 1000};
  script.on_step = [&](int step) {
    left = step == 3;
    return absl::OkStatus();
  };
  ASSERT_THAT(Submit(script, {.has_left = [&] { return left.load(); }}),
              IsOk());
  const auto ends = journal_.WaitForEnds(1);
  EXPECT_THAT(ends[0].second, StatusIs(absl::StatusCode::kCancelled, _));
  scheduler_.reset();
  EXPECT_THAT(journal_.lines(), ElementsAre("a1", "a2", "a3", "a gone"));
}

TEST_F(SchedulerTest, ACallerWhoLeavesEndsTheJobBeforeItsNextToken) {
  Start();
  std::atomic<int> checks = 0;
  ASSERT_THAT(Submit({.name = "a", .tokens = 1000},
                     {.has_left = [&] { return ++checks > 10; }}),
              IsOk());
  EXPECT_THAT(journal_.WaitForEnds(1)[0].second,
              StatusIs(absl::StatusCode::kCancelled, _));
  EXPECT_LT(engine_.counts().decodes, 10);
}

TEST_F(SchedulerTest, AJobThatWaitsForAPlaceIsCancelledThere) {
  Start({.max_running_asks = 1});
  SubmitGate();
  std::atomic<bool> left = true;
  ASSERT_THAT(Submit({.name = "a"}, {.has_left = [&] { return left.load(); }}),
              IsOk());
  gate_.Open();
  EXPECT_THAT(journal_.WaitForEnds(2)[1].second,
              StatusIs(absl::StatusCode::kCancelled, _));
  scheduler_.reset();
  EXPECT_THAT(journal_.lines(), ElementsAre("gate1", "gate gone", "a gone"));
}

TEST_F(SchedulerTest, APassedDeadlineIsNotCalledACancellation) {
  Start();
  ASSERT_THAT(Submit({.name = "a"}, {.deadline = Clock::now(),
                                     .has_left = [] { return true; }}),
              IsOk());
  EXPECT_THAT(journal_.WaitForEnds(1)[0].second,
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
}

TEST_F(SchedulerTest, AnErrorOrExceptionEndsItsOwnJobOnly) {
  Start();
  SubmitGate();
  Script failing{.name = "failing", .steps = 9};
  failing.on_step = [](int step) {
    return step == 2 ? absl::InternalError("broken") : absl::OkStatus();
  };
  Script throwing{.name = "throwing", .steps = 9};
  throwing.on_step = [](int step) -> absl::Status {
    if (step == 3) throw std::runtime_error("thrown");
    return absl::OkStatus();
  };
  ASSERT_THAT(Submit(failing), IsOk());
  ASSERT_THAT(Submit(throwing), IsOk());
  ASSERT_THAT(Submit({.name = "good", .steps = 5, .tokens = 5}), IsOk());
  gate_.Open();
  const auto ends = journal_.WaitForEnds(4);
  EXPECT_THAT(ends[1].second,
              StatusIs(absl::StatusCode::kInternal, HasSubstr("broken")));
  EXPECT_THAT(ends[2].second,
              StatusIs(absl::StatusCode::kInternal, HasSubstr("thrown")));
  EXPECT_EQ(ends[3].first, "good");
  EXPECT_THAT(ends[3].second, IsOk());
}

TEST_F(SchedulerTest, DrainLetsJobsFinishWithinTheGrace) {
  Start();
  Script script{.name = "a", .steps = 20};
  script.on_step = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::OkStatus();
  };
  ASSERT_THAT(Submit(script), IsOk());
  scheduler_->Drain(std::chrono::minutes(1));
  EXPECT_THAT(journal_.WaitForEnds(1)[0].second, IsOk());
  EXPECT_THAT(Submit({.name = "late"}), StatusIs(absl::StatusCode::kUnavailable,
                                                 HasSubstr("shutting down")));
}

TEST_F(SchedulerTest, DrainEndsWhatOutlastsTheGrace) {
  Start({.max_running_asks = 1});
  ASSERT_THAT(Submit({.name = "endless", .steps = 1 << 30}), IsOk());
  ASSERT_THAT(Submit({.name = "waiting"}), IsOk());
  scheduler_->Drain(std::chrono::milliseconds(20));
  for (const auto& [name, status] : journal_.WaitForEnds(2)) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, _)) << name;
  }
}

TEST_F(SchedulerTest, EveryJobEndsOnceAndIsDestroyedWhateverTheLoad) {
  Start({.max_jobs = 1000, .max_running_asks = 4});
  std::atomic<int> accepted = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 50; ++i) {
        Script script{.name = "x", .steps = i % 4 + 1, .tokens = i % 3};
        Caller caller;
        if (i % 5 == 0) caller.deadline = Clock::now();
        if (client % 2 == 1) script.queue_class = Job::QueueClass::kCompress;
        if (Submit(script, caller).ok()) ++accepted;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  scheduler_->Drain(std::chrono::minutes(1));
  scheduler_.reset();
  EXPECT_EQ(accepted, 400);
  EXPECT_EQ(journal_.WaitForEnds(400).size(), 400u);
  EXPECT_EQ(engine_.counts().live_sequences, 0);
  EXPECT_EQ(engine_.counts().overlapping_calls, 0);
}

}  // namespace
}  // namespace gist
