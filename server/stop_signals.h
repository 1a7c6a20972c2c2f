// SIGTERM and SIGINT, which end gistd: the first asks, the second insists.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace gist {

// One of a process, made before other threads: they inherit that these signals
// are blocked, and a thread of its own takes them. SIGPIPE is ignored.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // While set, the first signal ends the process with 0 where it stands: a
  // model that loads cannot be asked to stop, and has nothing to lose.
  void SetEndsAtOnce(bool ends_at_once);
  // Waits for the first; its number.
  int Wait();
  // False: none came within `time`.
  bool WaitForSecond(std::chrono::milliseconds time);
  // Called when there is a second, on another thread; at once, if there was
  // one. Empty takes it back, and waits while it runs.
  void OnSecond(std::function<void()> call);

 private:
  void Take(int number);

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool ends_at_once_ = false;
  int first_ = 0;
  bool has_second_ = false;
  std::function<void()> on_second_;
  std::jthread listener_;  // the last member: it uses all the others
};

}  // namespace gist
