// Ctrl-C as a std::stop_token.
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace gist::client {

// While it lives, SIGINT and SIGTERM request a stop instead of ending the
// process; the second one ends it at once. Make one before any other thread:
// threads inherit the signals' mask from it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  // The first signal that came; 0: none.
  int signal() const { return signal_; }

  // From now on the second signal is kept for WaitForSecond; the third one ends
  // the process.
  void KeepSecond() { keeps_second_ = true; }
  // Did it come, or does it come within `patience`?
  bool WaitForSecond(std::chrono::milliseconds patience);

 private:
  void Wait();

  sigset_t signals_;
  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> keeps_second_ = false;
  std::mutex mutex_;
  std::condition_variable second_came_;
  bool second_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace gist::client
