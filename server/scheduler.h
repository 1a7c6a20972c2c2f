// Shares one engine between requests, one step at a time.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/engine.h"
#include "server/caller.h"

namespace gist {

// One request's work, cut into steps of one engine call. Every method, and the
// destructor, runs on the scheduler's thread.
class Job {
 public:
  // kAdapter swaps the adapter: it holds no memory and waits for no place.
  enum class Lane { kAsk, kCompress, kAdapter };
  static constexpr int kLanes = 3;
  // What it wants next: another Step, a token of prompt(), or nothing.
  enum class Next { kStep, kDecode, kDone };

  virtual ~Job() = default;
  // The same for all of the job's life; also called by who submits it.
  virtual Lane lane() const = 0;
  // Makes at most one engine call.
  virtual absl::StatusOr<Next> Step(Engine& engine) = 0;
  // The sequence to decode while the job wants kDecode.
  virtual Sequence* prompt() { return nullptr; }
  // The token that was decoded for it.
  virtual absl::StatusOr<Next> Take(const DecodedToken& token);
  // Another job waits or runs beside it. Called again and again.
  virtual void NoteCompany() {}
  // The last call, made once for every job that was submitted: OK after kDone,
  // else the error that ended it.
  virtual void End(const absl::Status& status) = 0;
};

struct SchedulerOptions {
  int max_jobs = 64;  // waiting and running
  // Jobs that hold memory of the engine at the same time. Compressions have a
  // lane of their own so that they never keep a question waiting for a place.
  int max_running_asks = 8;
  int max_running_compressions = 2;
};

// How many jobs wait and run, by lane.
struct SchedulerLoad {
  std::array<int, Job::kLanes> waiting{};
  std::array<int, Job::kLanes> running{};
};

// Rounds: every running job that is not decoding takes one step, in the order
// of arrival, then all that are decoding get one token each in one batch. So a
// token never waits for more than one step of each other job. A caller who has
// left, or whose deadline passed, is noticed before each step. Thread-safe.
class Scheduler {
 public:
  // `engine` is used by this scheduler's thread alone and outlives it.
  Scheduler(Engine& engine, SchedulerOptions options);
  // Ends what is left with kUnavailable.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Does not wait. kResourceExhausted: max_jobs are here already.
  // kUnavailable: draining. On an error the job is dropped, without End.
  absl::Status Submit(std::unique_ptr<Job> job, Caller caller);

  // Refuses new jobs, lets the others run for `grace`, then ends what is left
  // with kUnavailable. Returns when no job is left.
  void Drain(std::chrono::milliseconds grace);

  SchedulerLoad Load() const;
  const SchedulerOptions& options() const { return options_; }

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    Caller caller;
    Job::Next next = Job::Next::kStep;
    absl::Status end = absl::OkStatus();  // of a job that wants kDone
  };

  void Run();
  bool TakeArrivals();
  void StartWaiting();
  void NoteLoad();
  void CheckCallers(std::deque<Entry>& entries);
  void NoteCompany();
  void StepAll();
  void DecodeAll();
  void EndDone(std::deque<Entry>& entries);

  Engine& engine_;
  const SchedulerOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> arrivals_;
  SchedulerLoad load_;  // without arrivals_
  int jobs_ = 0;        // submitted and not ended
  bool draining_ = false;
  bool stopping_ = false;  // the grace is over
  bool exiting_ = false;   // the thread ends when nothing is left

  // The scheduler's thread alone.
  std::deque<Entry> waiting_;
  std::deque<Entry> running_;
  bool cut_off_ = false;  // stopping_, as seen at the start of the round

  std::thread thread_;  // the last member: it uses all the others
};

}  // namespace gist
