#include "server/stop_signals.h"

#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <ctime>
#include <utility>

#include "spdlog/spdlog.h"

namespace gist {

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  listener_ = std::jthread([this, signals](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const timespec poll = {0, 50'000'000};
      const int number = sigtimedwait(&signals, nullptr, &poll);
      if (number > 0) Take(number);
    }
  });
}

StopSignals::~StopSignals() = default;

// `on_second_` is called under the lock: once OnSecond has taken it back, it
// does not run any more.
void StopSignals::Take(int number) {
  const std::scoped_lock lock(mutex_);
  if (ends_at_once_) {
    SPDLOG_INFO("gistd stopped before it was ready signal={}", number);
    std::_Exit(0);  // destructors would wait for the model
  }
  has_second_ = first_ != 0;
  if (first_ == 0) first_ = number;
  changed_.notify_all();
  if (has_second_ && on_second_) on_second_();
}

void StopSignals::SetEndsAtOnce(bool ends_at_once) {
  const std::scoped_lock lock(mutex_);
  ends_at_once_ = ends_at_once;
}

int StopSignals::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return first_ != 0; });
  return first_;
}

bool StopSignals::WaitForSecond(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return has_second_; });
}

void StopSignals::OnSecond(std::function<void()> call) {
  const std::scoped_lock lock(mutex_);
  on_second_ = std::move(call);
  if (has_second_ && on_second_) on_second_();
}

}  // namespace gist
