#include "client/terminal/interrupt.h"

#include <unistd.h>

namespace gist::client {
namespace {

constexpr int kWakeUp = SIGUSR1;  // from the destructor alone

// A shell's background jobs ignore SIGINT, and have to go on doing so.
bool IsIgnored(int number) {
  struct sigaction action = {};
  sigaction(number, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

Interrupt::Interrupt() {
  sigemptyset(&signals_);
  sigaddset(&signals_, kWakeUp);
  for (const int number : {SIGINT, SIGTERM}) {
    if (!IsIgnored(number)) sigaddset(&signals_, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { Wait(); });
}

Interrupt::~Interrupt() {
  pthread_kill(thread_.native_handle(), kWakeUp);
  thread_.join();
}

void Interrupt::Wait() {
  int number = 0;
  while (sigwait(&signals_, &number) == 0 && number != kWakeUp) {
    if (signal_ == 0) {
      signal_ = number;
      stop_.request_stop();
      continue;
    }
    const std::scoped_lock lock(mutex_);
    if (!keeps_second_ || second_) _exit(128 + number);
    second_ = true;
    second_came_.notify_all();
  }
}

bool Interrupt::WaitForSecond(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return second_came_.wait_for(lock, patience, [this] { return second_; });
}

}  // namespace gist::client
