#include "server/sweeper.h"

#include "core/base/status.h"
#include "spdlog/spdlog.h"

namespace gist {

Sweeper::Sweeper(ContextKeeper& keeper, SweeperOptions options)
    : keeper_(keeper), options_(options), thread_([this] { Run(); }) {}

Sweeper::~Sweeper() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Sweeper::Run() {
  auto last_erase = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    stopped_.wait_for(lock, options_.sweep_every, [this] { return stopping_; });
    const bool erases =
        !stopping_ &&
        std::chrono::steady_clock::now() - last_erase >= options_.erase_every;
    lock.unlock();
    Sweep();
    if (erases) {
      Erase();
      last_erase = std::chrono::steady_clock::now();
    }
    lock.lock();
  }
}

void Sweeper::Sweep() {
  const absl::Status swept = keeper_.Sweep();
  if (!swept.ok()) SPDLOG_ERROR("sweep error={:?}", Message(swept));
}

void Sweeper::Erase() {
  const auto erased = keeper_.EraseDeleted();
  if (!erased.ok()) {
    SPDLOG_ERROR("erase error={:?}", Message(erased.status()));
  } else if (*erased > 0) {
    SPDLOG_INFO("erased contexts={}", *erased);
  }
}

}  // namespace gist
