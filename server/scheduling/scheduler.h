// Shares one engine between requests, one step at a time.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/engine/engine.h"
#include "server/scheduling/caller.h"

namespace gist {

// One request's work, cut into steps of one engine call. Every method, and the
// destructor, runs on the scheduler's thread.
class Job {
 public:
  // kAdapter swaps the adapter: it holds no memory and waits for no place.
  enum class QueueClass { kAsk, kCompress, kAdapter };
  static constexpr int kQueueClasses = 3;
  // What it wants next: another Step, a token of prompt(), or nothing.
  enum class Next { kStep, kDecode, kDone };

  virtual ~Job() = default;
  // The same for all of the job's life; also called by who submits it.
  virtual QueueClass queue_class() const = 0;
  // Tokens that it has still to read, and those that the engine read for it.
  virtual int64_t tokens_left() const { return 0; }
  virtual int64_t tokens_read() const { return 0; }
  // The most tokens whose keys and values it will hold.
  virtual int64_t kv_tokens() const { return 0; }
  // Reads at most `max_tokens`. After kResourceExhausted it may be called once
  // more, with fewer.
  virtual absl::StatusOr<Next> Step(Engine& engine, int max_tokens) = 0;
  // The prompt to decode while the job wants kDecode.
  virtual PromptSequence* prompt() { return nullptr; }
  // The token that was decoded for it.
  virtual absl::StatusOr<Next> Take(const DecodedToken& token);
  // Another job waits or runs beside it. Called again and again.
  virtual void OnContention() {}
  // The last call, made once for every job that was submitted: OK after kDone,
  // else the error that ended it.
  virtual void End(const absl::Status& status) = 0;
};

struct SchedulerOptions {
  int max_jobs = 64;  // waiting and running
  // That these have still to read; a job that comes alone may have more.
  int64_t max_queued_tokens = 1 << 20;
  // Of keys and values of running jobs, in memory; 0: no bound.
  int64_t max_kv_bytes = 0;
  // The time of one step in company, by the measured speed. No step is bound
  // to less than 32 tokens.
  double max_step_seconds = 0.1;
  // The same for the only job here; no less than 64 tokens. A job that arrives
  // waits at most for one such step.
  double max_lone_step_seconds = 0.5;
  // Steps stay short for this time after the last company, because questions
  // of one caller follow each other.
  double quiet_seconds = 2;
  // Jobs that hold memory of the engine at the same time. Compressions have a
  // queue_class of their own so that they never keep a question waiting for a
  // place.
  int max_running_asks = 8;
  int max_running_compressions = 2;
};

// What the scheduler has to do, and how fast it does it.
struct SchedulerLoad {
  std::array<int, Job::kQueueClasses> waiting{};  // jobs, by queue_class
  std::array<int, Job::kQueueClasses> running{};
  int64_t queued_tokens = 0;     // to be read
  int64_t kv_bytes = 0;          // that running jobs may hold
  double tokens_per_second = 0;  // of reading, lately; 0: not measured yet
};

// Rounds: every running job that reads only a little more takes a step, then
// all that are decoding get one token each in one batch, then one job that
// reads a lot takes a step, in turn. So a token, or a short question, waits for
// one step of a long text, however many of them there are.
//
// Among those that wait for a place, the caller who was given least comes
// first: a token read counts 1, a token decoded 2 (virtual token counters,
// Sheng et al. 2024, arXiv:2401.00588). A caller who has left, or whose
// deadline passed, is noticed before each step. Out of memory, caches are freed
// and the step is made once more with half of the tokens. A decode step that
// fails is made once more for each prompt alone. Thread-safe.
class Scheduler {
 public:
  // `engine` is used by this scheduler's thread alone and outlives it.
  Scheduler(Engine& engine, SchedulerOptions options);
  // Ends what is left with kUnavailable.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Does not wait. kResourceExhausted: one of the options' bounds is reached.
  // kDeadlineExceeded: reading alone would take longer, at the measured speed.
  // kUnavailable: draining. On an error the job is dropped, without End.
  absl::Status Submit(std::unique_ptr<Job> job, Caller caller);

  // Called on the scheduler's thread when memory runs out.
  void OnOutOfMemory(std::function<void()> free_memory);
  SchedulerLoad Load() const;

  // Refuses new jobs, lets the others run for `grace`, then ends what is left
  // with kUnavailable. Returns when no job is left.
  void Drain(std::chrono::milliseconds grace);

  const SchedulerOptions& options() const { return options_; }
  // The engine's, as of now.
  AdapterInfo adapter() const { return engine_.adapter(); }

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    Caller caller;
    int64_t tokens_left = 0;  // as they are counted in load_
    Job::Next next = Job::Next::kStep;
    absl::Status end = absl::OkStatus();  // of a job that wants kDone
    uint64_t last_long_step = 0;
  };

  void Run();
  bool TakeArrivals();
  void StartWaiting();
  int ChooseStepTokens();
  void CheckCallers(std::deque<Entry>& entries);
  void OnContention();
  void StepShort();
  void StepLong();
  void Step(Entry& entry);
  static void SetNext(Entry& entry, const absl::StatusOr<Job::Next>& next);
  absl::StatusOr<Job::Next> StepOnce(Entry& entry, int max_tokens);
  void DecodeAll();
  absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<PromptSequence* const> prompts);
  void Take(Entry& entry, const absl::StatusOr<DecodedToken>& token);
  void EndDone(std::deque<Entry>& entries);

  absl::Status CheckRoom(const Job& job, const Caller& caller) const;
  absl::Status CheckDeadline(const Job& job, const Caller& caller) const;
  int64_t KvBytes(const Job& job) const;
  bool IsLong(const Entry& entry) const {
    return entry.tokens_left > step_tokens_;
  }
  double Given(const Entry& entry) {
    return given_[entry.caller.principal.tenant];
  }
  void LiftNewcomers();
  void NoteLoad();
  void FreeMemory();
  void Count(Entry& entry, int64_t tokens_left, int64_t read, double seconds);

  Engine& engine_;
  const SchedulerOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> arrivals_;
  int jobs_ = 0;        // submitted and not ended
  SchedulerLoad load_;  // jobs without arrivals_
  // Tokens to be read, of each queue_class's callers.
  std::map<std::pair<Job::QueueClass, std::string>, int64_t> queued_;
  std::function<void()> free_memory_;
  bool draining_ = false;
  bool stopping_ = false;  // the grace is over
  bool exiting_ = false;   // the thread ends when nothing is left

  // The scheduler's thread alone.
  std::deque<Entry> waiting_;
  std::deque<Entry> running_;
  std::map<std::string, double> given_;  // to each tenant
  std::set<std::string> present_;        // tenants with a job here
  int step_tokens_ = 0;
  Clock::time_point last_company_ = Clock::time_point::min();
  uint64_t long_steps_ = 0;
  bool cut_off_ = false;  // stopping_, as seen at the start of the round

  std::thread thread_;  // the last member: it uses all the others
};

}  // namespace gist
