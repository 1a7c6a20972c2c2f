#include "server/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "core/base/status.h"

namespace gist {
namespace {

absl::Status ShuttingDown() {
  return absl::UnavailableError(
      "the server is shutting down; try again later or at another server");
}

}  // namespace

absl::StatusOr<Job::Next> Job::Take(const DecodedToken&) {
  return absl::InternalError("job: got a token that it did not ask for");
}

Scheduler::Scheduler(Engine& engine, SchedulerOptions options)
    : engine_(engine), options_(options), thread_([this] { Run(); }) {}

Scheduler::~Scheduler() {
  Drain(std::chrono::milliseconds(0));
  {
    const std::scoped_lock lock(mutex_);
    exiting_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::Status Scheduler::Submit(std::unique_ptr<Job> job, Caller caller) {
  {
    const std::scoped_lock lock(mutex_);
    if (draining_) {
      caller.Reject(rejected::kDraining);
      return ShuttingDown();
    }
    if (jobs_ >= options_.max_jobs) {
      caller.Reject(rejected::kQueueFull);
      return absl::ResourceExhaustedError(fmt::format(
          "the queue is full: {} requests wait or run, the limit is {}; try "
          "again later",
          jobs_, options_.max_jobs));
    }
    ++jobs_;
    arrivals_.push_back({std::move(job), std::move(caller)});
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void Scheduler::Drain(std::chrono::milliseconds grace) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto is_empty = [this] { return jobs_ == 0; };
  if (changed_.wait_for(lock, grace, is_empty)) return;
  stopping_ = true;
  changed_.wait(lock, is_empty);
}

void Scheduler::Run() {
  while (TakeArrivals()) {
    CheckCallers(waiting_);
    EndDone(waiting_);
    StartWaiting();
    {
      const std::scoped_lock lock(mutex_);
      NoteLoad();
    }
    NoteCompany();
    StepAll();
    DecodeAll();
    EndDone(running_);
  }
}

// Wants mutex_.
void Scheduler::NoteLoad() {
  load_ = {};
  for (const Entry& entry : waiting_)
    ++load_.waiting[size_t(entry.job->lane())];
  for (const Entry& entry : running_)
    ++load_.running[size_t(entry.job->lane())];
}

SchedulerLoad Scheduler::Load() const {
  const std::scoped_lock lock(mutex_);
  SchedulerLoad load = load_;
  for (const Entry& entry : arrivals_) {
    ++load.waiting[size_t(entry.job->lane())];
  }
  return load;
}

// Sleeps while there is nothing to do. False: no job is left and none will
// come.
bool Scheduler::TakeArrivals() {
  std::unique_lock lock(mutex_);
  NoteLoad();
  if (waiting_.empty() && running_.empty()) {
    changed_.wait(lock, [this] { return !arrivals_.empty() || exiting_; });
    if (arrivals_.empty()) return false;
  }
  std::move(arrivals_.begin(), arrivals_.end(), std::back_inserter(waiting_));
  arrivals_.clear();
  NoteLoad();
  cut_off_ = stopping_;
  return true;
}

void Scheduler::CheckCallers(std::deque<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.next == Job::Next::kDone) continue;
    entry.end = cut_off_ ? ShuttingDown() : entry.caller.Check();
    if (!entry.end.ok()) entry.next = Job::Next::kDone;
  }
}

// Moves waiting jobs to the lanes' free places, in the order of arrival.
void Scheduler::StartWaiting() {
  const auto running = [this](Job::Lane lane) {
    return std::ranges::count_if(running_, [&](const Entry& entry) {
      return entry.job->lane() == lane;
    });
  };
  std::map<Job::Lane, std::ptrdiff_t> places = {
      {Job::Lane::kAsk, options_.max_running_asks - running(Job::Lane::kAsk)},
      {Job::Lane::kCompress,
       options_.max_running_compressions - running(Job::Lane::kCompress)},
      {Job::Lane::kAdapter, options_.max_jobs}};
  std::deque<Entry> still_waiting;
  for (Entry& entry : waiting_) {
    const bool starts = places[entry.job->lane()]-- > 0;
    (starts ? running_ : still_waiting).push_back(std::move(entry));
  }
  waiting_ = std::move(still_waiting);
}

void Scheduler::NoteCompany() {
  if (waiting_.size() + running_.size() < 2) return;
  for (Entry& entry : running_) entry.job->NoteCompany();
}

void Scheduler::StepAll() {
  for (Entry& entry : running_) {
    if (entry.next != Job::Next::kStep) continue;
    const absl::Status wanted =
        cut_off_ ? ShuttingDown() : entry.caller.Check();
    auto next = wanted.ok()
                    ? Fence("step", [&] { return entry.job->Step(engine_); })
                    : absl::StatusOr<Job::Next>(wanted);
    entry.next = next.ok() ? *next : Job::Next::kDone;
    entry.end = next.status();
  }
}

void Scheduler::DecodeAll() {
  CheckCallers(running_);
  std::vector<Entry*> decoding;
  std::vector<Sequence*> prompts;
  for (Entry& entry : running_) {
    if (entry.next != Job::Next::kDecode) continue;
    decoding.push_back(&entry);
    prompts.push_back(entry.job->prompt());
  }
  if (decoding.empty()) return;
  auto tokens = Fence("decode", [&] { return engine_.Decode(prompts); });
  if (tokens.ok() && tokens->size() != prompts.size()) {
    tokens = absl::InternalError(fmt::format("decode: {} tokens for {} prompts",
                                             tokens->size(), prompts.size()));
  }
  for (size_t i = 0; i < decoding.size(); ++i) {
    Entry& entry = *decoding[i];
    auto next =
        tokens.ok()
            ? Fence("token", [&] { return entry.job->Take((*tokens)[i]); })
            : absl::StatusOr<Job::Next>(tokens.status());
    entry.next = next.ok() ? *next : Job::Next::kDone;
    entry.end = next.status();
  }
}

void Scheduler::EndDone(std::deque<Entry>& entries) {
  const auto is_done = [](const Entry& entry) {
    return entry.next == Job::Next::kDone;
  };
  const auto first_done = std::stable_partition(
      entries.begin(), entries.end(),
      [&](const Entry& entry) { return !is_done(entry); });
  std::vector<Entry> done(std::make_move_iterator(first_done),
                          std::make_move_iterator(entries.end()));
  entries.erase(first_done, entries.end());
  for (Entry& entry : done) {
    {
      // Before End, so that whoever hears of the end finds the place free.
      const std::scoped_lock lock(mutex_);
      --jobs_;
    }
    entry.job->End(entry.end);
    entry.job.reset();
    changed_.notify_all();
  }
}

}  // namespace gist
