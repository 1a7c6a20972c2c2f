#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <utility>

#include "core/base/status.h"
#include "server/support/errors.h"

namespace gist {
namespace {

constexpr int kLeastStepTokens = 32;
constexpr int kLeastLoneStepTokens = 64;  // fewer are read slower by a token
static_assert(kLeastStepTokens > Engine::kLateTokens);
constexpr int kStepGranularity = 16;    // tokens; products like round numbers
constexpr double kOldSpeedShare = 0.8;  // of the running mean
constexpr double kDecodedTokenCost = 2;

absl::Status ShuttingDown() {
  return Error(
      Reason::kDraining,
      "the server is shutting down; try again later or at another server");
}

int StepTokens(double tokens_per_second, double max_seconds, int least,
               int most) {
  const int wanted = int(std::min(tokens_per_second * max_seconds, 1e6));
  const int whole = wanted / kStepGranularity * kStepGranularity;
  return std::clamp(whole, std::min(least, most), most);
}

}  // namespace

absl::StatusOr<Job::Next> Job::Take(const DecodedToken&) {
  return absl::InternalError("job: got a token that it did not ask for");
}

Scheduler::Scheduler(Engine& engine, SchedulerOptions options)
    : engine_(engine),
      options_(options),
      step_tokens_(
          StepTokens(0, 0, kLeastStepTokens, engine.max_chunk_tokens())),
      thread_([this] { Run(); }) {}

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
    if (draining_) return ShuttingDown();
    GIST_RETURN_IF_ERROR(CheckRoom(*job, caller));
    const int64_t tokens = job->tokens_left();
    ++jobs_;
    load_.queued_tokens += tokens;
    queued_[{job->queue_class(), caller.principal.tenant}] += tokens;
    arrivals_.push_back({.job = std::move(job),
                         .caller = std::move(caller),
                         .tokens_left = tokens});
  }
  changed_.notify_all();
  return absl::OkStatus();
}

// With mutex_ held, like CheckDeadline.
absl::Status Scheduler::CheckRoom(const Job& job, const Caller& caller) const {
  if (jobs_ >= options_.max_jobs) {
    return Error(Reason::kQueueFull,
                 fmt::format("the queue is full: {} requests wait or run, the "
                             "limit is {}; try again later",
                             jobs_, options_.max_jobs),
                 {{"maxRequests", std::to_string(options_.max_jobs)}});
  }
  const int64_t tokens = job.tokens_left();
  if (tokens > 0 && load_.queued_tokens > 0 &&
      load_.queued_tokens + tokens > options_.max_queued_tokens) {
    return Error(
        Reason::kQueueFull,
        fmt::format("the queue is full: {} tokens wait to be read, {} more "
                    "would exceed the limit of {}; try again later",
                    load_.queued_tokens, tokens, options_.max_queued_tokens),
        {{"maxTokens", std::to_string(options_.max_queued_tokens)}});
  }
  if (options_.max_kv_bytes > 0 && KvBytes(job) > options_.max_kv_bytes) {
    return Error(
        Reason::kContextWindowExceeded,
        fmt::format("{} tokens need {} bytes for keys and values, the limit "
                    "is {}; ask about less at once, or start gistd with a "
                    "higher --max-kv-bytes",
                    job.kv_tokens(), KvBytes(job), options_.max_kv_bytes),
        {{"maxKvBytes", std::to_string(options_.max_kv_bytes)}});
  }
  return CheckDeadline(job, caller);
}

// What the caller has asked for before comes first; others' requests may be
// overtaken, so they do not count.
absl::Status Scheduler::CheckDeadline(const Job& job,
                                      const Caller& caller) const {
  if (caller.deadline == Clock::time_point::max() ||
      load_.tokens_per_second <= 0 || job.tokens_left() == 0) {
    return absl::OkStatus();
  }
  const auto found = queued_.find({job.queue_class(), caller.principal.tenant});
  const int64_t tokens =
      job.tokens_left() + (found == queued_.end() ? 0 : found->second);
  const double wanted = double(tokens) / load_.tokens_per_second;
  const double left =
      std::chrono::duration<double>(caller.deadline - Clock::now()).count();
  if (left <= 0 || wanted <= left) return absl::OkStatus();  // a step tells
  return Error(
      Reason::kDeadlinePassed,
      fmt::format("{} tokens are to be read, which takes {:.1f} s at {:.0f} "
                  "tokens/s, and the deadline is in {:.1f} s; allow more time",
                  tokens, wanted, load_.tokens_per_second, left));
}

int64_t Scheduler::KvBytes(const Job& job) const {
  return engine_.model().KvMemoryBytes(job.kv_tokens());
}

void Scheduler::OnOutOfMemory(std::function<void()> free_memory) {
  const std::scoped_lock lock(mutex_);
  free_memory_ = std::move(free_memory);
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
    OnContention();
    StepShort();
    DecodeAll();
    StepLong();
    EndDone(running_);
  }
}

SchedulerLoad Scheduler::Load() const {
  const std::scoped_lock lock(mutex_);
  SchedulerLoad load = load_;
  for (const Entry& entry : arrivals_) {
    ++load.waiting[size_t(entry.job->queue_class())];
  }
  return load;
}

// Sleeps while there is nothing to do. False: no job is left and none will
// come.
bool Scheduler::TakeArrivals() {
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && running_.empty()) {
    given_.clear();
    changed_.wait(lock, [this] { return !arrivals_.empty() || exiting_; });
    if (arrivals_.empty()) return false;
  }
  std::move(arrivals_.begin(), arrivals_.end(), std::back_inserter(waiting_));
  arrivals_.clear();
  NoteLoad();
  cut_off_ = stopping_;
  step_tokens_ = ChooseStepTokens();
  return true;
}

// With mutex_ held.
int Scheduler::ChooseStepTokens() {
  const Clock::time_point now = Clock::now();
  if (waiting_.size() + running_.size() > 1) last_company_ = now;
  const bool was_in_company =
      last_company_ != Clock::time_point::min() &&
      std::chrono::duration<double>(now - last_company_).count() <=
          options_.quiet_seconds;
  const bool is_alone = waiting_.size() + running_.size() <= 1;
  const int most = engine_.max_chunk_tokens();
  return is_alone && !was_in_company
             ? StepTokens(load_.tokens_per_second,
                          options_.max_lone_step_seconds, kLeastLoneStepTokens,
                          most)
             : StepTokens(load_.tokens_per_second, options_.max_step_seconds,
                          kLeastStepTokens, most);
}

void Scheduler::CheckCallers(std::deque<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.next == Job::Next::kDone) continue;
    entry.end = cut_off_ ? ShuttingDown() : entry.caller.Check();
    if (!entry.end.ok()) entry.next = Job::Next::kDone;
  }
}

// A tenant that comes back does not bring what it saved while it was away.
void Scheduler::LiftNewcomers() {
  std::set<std::string> here;
  for (const Entry& entry : running_)
    here.insert(entry.caller.principal.tenant);
  for (const Entry& entry : waiting_)
    here.insert(entry.caller.principal.tenant);
  double least = std::numeric_limits<double>::infinity();
  for (const std::string& tenant : here) {
    if (present_.contains(tenant)) least = std::min(least, given_[tenant]);
  }
  for (const std::string& tenant : here) {
    if (present_.contains(tenant) || std::isinf(least)) continue;
    given_[tenant] = std::max(given_[tenant], least);
  }
  present_ = std::move(here);
}

// Moves waiting jobs to the lanes' free places while their keys and values fit.
// One that does not fit lets none of its queue_class pass, so that its turn
// comes; whoever runs alone fits.
void Scheduler::StartWaiting() {
  LiftNewcomers();
  std::map<Job::QueueClass, int> places = {
      {Job::QueueClass::kAsk, options_.max_running_asks},
      {Job::QueueClass::kCompress, options_.max_running_compressions},
      {Job::QueueClass::kAdapter, options_.max_jobs}};
  int64_t kv_bytes = 0;
  for (const Entry& entry : running_) {
    --places[entry.job->queue_class()];
    kv_bytes += KvBytes(*entry.job);
  }
  for (;;) {
    auto next = waiting_.end();
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (places[at->job->queue_class()] <= 0) continue;
      if (next == waiting_.end() || Given(*at) < Given(*next)) next = at;
    }
    if (next == waiting_.end()) break;
    const int64_t needed = KvBytes(*next->job);
    if (options_.max_kv_bytes > 0 && kv_bytes > 0 &&
        kv_bytes + needed > options_.max_kv_bytes) {
      places[next->job->queue_class()] = 0;
      continue;
    }
    --places[next->job->queue_class()];
    kv_bytes += needed;
    given_[next->caller.principal.tenant] += double(next->tokens_left) + 1;
    running_.push_back(std::move(*next));
    waiting_.erase(next);
  }
  const std::scoped_lock lock(mutex_);
  NoteLoad();
}

// With mutex_ held.
void Scheduler::NoteLoad() {
  load_.waiting = load_.running = {};
  load_.kv_bytes = 0;
  for (const Entry& entry : waiting_) {
    ++load_.waiting[size_t(entry.job->queue_class())];
  }
  for (const Entry& entry : running_) {
    ++load_.running[size_t(entry.job->queue_class())];
    load_.kv_bytes += KvBytes(*entry.job);
  }
}

void Scheduler::OnContention() {
  if (waiting_.size() + running_.size() < 2) return;
  for (Entry& entry : running_) entry.job->OnContention();
}

void Scheduler::StepShort() {
  for (Entry& entry : running_) {
    if (entry.next == Job::Next::kStep && !IsLong(entry)) Step(entry);
  }
}

// The one whose last turn is the longest ago.
void Scheduler::StepLong() {
  Entry* next = nullptr;
  for (Entry& entry : running_) {
    if (entry.next != Job::Next::kStep || !IsLong(entry)) continue;
    if (next == nullptr || entry.last_long_step < next->last_long_step) {
      next = &entry;
    }
  }
  if (next == nullptr) return;
  next->last_long_step = ++long_steps_;
  Step(*next);
}

void Scheduler::Step(Entry& entry) {
  const absl::Status wanted = cut_off_ ? ShuttingDown() : entry.caller.Check();
  const int64_t read_before = entry.job->tokens_read();
  const Clock::time_point start = Clock::now();
  auto next = wanted.ok() ? StepOnce(entry, step_tokens_)
                          : absl::StatusOr<Job::Next>(wanted);
  if (absl::IsResourceExhausted(next.status())) {
    FreeMemory();
    next = StepOnce(entry, std::max(1, step_tokens_ / 2));
  }
  SetNext(entry, next);
  const int64_t read = entry.job->tokens_read() - read_before;
  Count(entry, entry.job->tokens_left(), read, SecondsSince(start));
}

void Scheduler::SetNext(Entry& entry, const absl::StatusOr<Job::Next>& next) {
  entry.next = next.ok() ? *next : Job::Next::kDone;
  entry.end = absl::IsResourceExhausted(next.status())
                  ? Error(Reason::kOutOfMemory, Message(next.status()))
                  : next.status();
}

absl::StatusOr<Job::Next> Scheduler::StepOnce(Entry& entry, int max_tokens) {
  return Fence("step", [&] { return entry.job->Step(engine_, max_tokens); });
}

void Scheduler::FreeMemory() {
  std::function<void()> free_memory;
  {
    const std::scoped_lock lock(mutex_);
    free_memory = free_memory_;
  }
  if (free_memory) free_memory();
}

// Brings load_ up to date after `read` tokens in `seconds`.
void Scheduler::Count(Entry& entry, int64_t tokens_left, int64_t read,
                      double seconds) {
  const int64_t done = entry.tokens_left - tokens_left;
  entry.tokens_left = tokens_left;
  const std::scoped_lock lock(mutex_);
  load_.queued_tokens -= done;
  const auto queued =
      queued_.find({entry.job->queue_class(), entry.caller.principal.tenant});
  if (queued != queued_.end() && (queued->second -= done) <= 0) {
    queued_.erase(queued);
  }
  // Fewer take nearly as long as these, or are not read yet, and would say
  // nothing of a long text.
  if (read < std::min(kLeastStepTokens, engine_.max_chunk_tokens())) return;
  const double speed = double(read) / std::max(seconds, 1e-9);
  double& mean = load_.tokens_per_second;
  mean =
      mean == 0 ? speed : kOldSpeedShare * mean + (1 - kOldSpeedShare) * speed;
}

void Scheduler::DecodeAll() {
  CheckCallers(running_);
  std::vector<Entry*> decoding;
  std::vector<PromptSequence*> prompts;
  for (Entry& entry : running_) {
    if (entry.next != Job::Next::kDecode) continue;
    decoding.push_back(&entry);
    prompts.push_back(entry.job->prompt());
  }
  if (decoding.empty()) return;
  auto tokens = Decode(prompts);
  if (absl::IsResourceExhausted(tokens.status())) {
    FreeMemory();
    if (prompts.size() == 1) tokens = Decode(prompts);
  }
  for (size_t i = 0; i < decoding.size(); ++i) {
    if (!tokens.ok() && prompts.size() > 1) {
      const auto alone = Decode(std::span(prompts).subspan(i, 1));
      Take(*decoding[i], alone.ok() ? absl::StatusOr<DecodedToken>((*alone)[0])
                                    : alone.status());
      continue;
    }
    Take(*decoding[i], tokens.ok() ? absl::StatusOr<DecodedToken>((*tokens)[i])
                                   : tokens.status());
  }
}

absl::StatusOr<std::vector<DecodedToken>> Scheduler::Decode(
    std::span<PromptSequence* const> prompts) {
  auto tokens = Fence("decode", [&] { return engine_.Decode(prompts); });
  if (!tokens.ok() || tokens->size() == prompts.size()) return tokens;
  return absl::InternalError(fmt::format("decode: {} tokens for {} prompts",
                                         tokens->size(), prompts.size()));
}

void Scheduler::Take(Entry& entry, const absl::StatusOr<DecodedToken>& token) {
  auto next = token.ok()
                  ? Fence("token", [&] { return entry.job->Take(*token); })
                  : absl::StatusOr<Job::Next>(token.status());
  SetNext(entry, next);
  given_[entry.caller.principal.tenant] += kDecodedTokenCost;
}

void Scheduler::EndDone(std::deque<Entry>& entries) {
  const auto first_done = std::stable_partition(
      entries.begin(), entries.end(),
      [](const Entry& entry) { return entry.next != Job::Next::kDone; });
  std::vector<Entry> done(std::make_move_iterator(first_done),
                          std::make_move_iterator(entries.end()));
  entries.erase(first_done, entries.end());
  for (Entry& entry : done) {
    Count(entry, 0, 0, 0);
    {
      // Before End, so that whoever hears of the end finds the place free.
      const std::scoped_lock lock(mutex_);
      --jobs_;
      NoteLoad();
    }
    entry.job->End(entry.end);
    entry.job.reset();
    changed_.notify_all();
  }
}

}  // namespace gist
