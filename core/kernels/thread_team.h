// Threads that share out the loops of a pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace gist {

// A loop ends when all its indices are done, not when all threads came: a
// thread that the system holds back delays others only by the index that it
// has. Helpers spin briefly for the next loop, then sleep. On a machine where
// other processes hold the helpers back so much that they cost more than they
// give, the caller works alone for a while, then tries again.
class ThreadTeam {
 public:
  // The caller of For is one of `threads`.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return int(helpers_.size()) + 1; }

  // Calls work(index, thread) once for each index below `count`, at most
  // 2^20 - 1 - threads; thread < threads(). A call from a second thread while
  // one runs does its work alone, as thread 0.
  // What `work` throws leaves For once the loop has ended; of several
  // exceptions the first.
  using Work = absl::FunctionRef<void(int index, int thread)>;
  void For(int count, Work work);

 private:
  void Help(int thread);
  // Takes indices of the present loop until none is left.
  void TakeAll(int thread);
  void AwaitEnd(int count);

  std::mutex busy_;
  // The loop's number, its count and the next index, in one word: a late helper
  // can take no index of a loop that has ended.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stops_{false};
  const Work* work_ = nullptr;
  std::mutex error_mutex_;
  std::exception_ptr error_;  // of the present loop
  // Of the caller, under busy_. Times in nanoseconds.
  void Judge(int64_t work, int64_t wait);
  int64_t works_ = 0;        // since the last judgement
  int64_t waits_ = 0;        // likewise, for helpers
  int64_t alone_until_ = 0;  // of the clock
  int64_t alone_for_ = 0;    // the last such time
  std::vector<std::thread> helpers_;
};

}  // namespace gist
