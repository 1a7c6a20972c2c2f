// Ctrl-C as a std::stop_token.
#pragma once

#include <signal.h>

#include <atomic>
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

 private:
  void Wait();

  sigset_t signals_;
  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  std::thread thread_;
};

}  // namespace gist::client
