#include "core/kernels/thread_team.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gist {
namespace {

constexpr int kIndexBits = 20;
constexpr uint64_t kIndexMask = (1 << kIndexBits) - 1;

uint64_t Ticket(uint64_t loop, int count) {
  return loop << (2 * kIndexBits) | uint64_t(count) << kIndexBits;
}
uint64_t LoopOf(uint64_t ticket) { return ticket >> (2 * kIndexBits); }
int CountOf(uint64_t ticket) { return int(ticket >> kIndexBits & kIndexMask); }
int IndexOf(uint64_t ticket) { return int(ticket & kIndexMask); }
bool IsLeft(uint64_t ticket) { return IndexOf(ticket) < CountOf(ticket); }

// About 30 microseconds: longer than what lies between two loops of a pass.
constexpr int kSpins = 1000;

// Of a team: a judgement after so long, then alone for this long at first and
// at most. A trial costs up to half of its own time.
constexpr int64_t kJudged = 10'000'000;
constexpr int64_t kAloneFirst = 100'000'000, kAloneMost = 800'000'000;

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Pause() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  for (int i = 1; i < threads; ++i) {
    helpers_.emplace_back([this, i] { Help(i); });
  }
}

ThreadTeam::~ThreadTeam() {
  stops_ = true;
  ticket_ += uint64_t{1} << (2 * kIndexBits);
  ticket_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadTeam::TakeAll(int thread) {
  while (IsLeft(ticket_.load(std::memory_order_relaxed))) {
    const uint64_t mine = ticket_.fetch_add(1, std::memory_order_acq_rel);
    if (!IsLeft(mine)) return;
    try {
      (*work_)(IndexOf(mine), thread);
    } catch (...) {
      const std::scoped_lock lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadTeam::Help(int thread) {
  while (!stops_.load(std::memory_order_relaxed)) {
    TakeAll(thread);
    const uint64_t seen = ticket_.load();
    if (IsLeft(seen)) continue;
    int spins = 0;
    while (spins < kSpins &&
           LoopOf(ticket_.load(std::memory_order_relaxed)) == LoopOf(seen)) {
      Pause();
      ++spins;
    }
    if (spins < kSpins) continue;
    ++sleepers_;
    // The index may still rise; only another loop is worth waking for.
    for (uint64_t now = ticket_.load(); LoopOf(now) == LoopOf(seen) && !stops_;
         now = ticket_.load()) {
      ticket_.wait(now);
    }
    --sleepers_;
  }
}

void ThreadTeam::AwaitEnd(int count) {
  for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) {
    // A helper that the system holds back may want this processor.
    spins < kSpins ? Pause() : std::this_thread::yield();
  }
}

void ThreadTeam::For(int count, Work work) {
  std::unique_lock lock(busy_, std::try_to_lock);
  if (count <= 1 || helpers_.empty() || !lock.owns_lock()) {
    for (int i = 0; i < count; ++i) work(i, 0);
    return;
  }
  const int64_t begin = Now();
  if (begin < alone_until_) {
    for (int i = 0; i < count; ++i) work(i, 0);
    return;
  }
  work_ = &work;
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(Ticket(LoopOf(ticket_.load()) + 1, count));
  if (sleepers_.load() > 0) ticket_.notify_all();
  TakeAll(0);
  const int64_t worked = Now();
  AwaitEnd(count);
  Judge(worked - begin, Now() - worked);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

// Alone, the caller would have had to do the helpers' part too: about as much
// again for each of them as it did itself.
void ThreadTeam::Judge(int64_t work, int64_t wait) {
  works_ += work;
  waits_ += wait;
  if (works_ + waits_ < kJudged) return;
  if (waits_ > works_ * int64_t(helpers_.size()) * 4 / 5) {
    alone_for_ = std::clamp(2 * alone_for_, kAloneFirst, kAloneMost);
    alone_until_ = Now() + alone_for_;
  } else {
    alone_for_ = 0;
  }
  works_ = waits_ = 0;
}

}  // namespace gist
