#include "server/contexts/maintenance_thread.h"

#include "core/base/clock.h"
#include "core/base/status.h"
#include "server/support/process_memory.h"
#include "spdlog/spdlog.h"

namespace gist {

MaintenanceThread::MaintenanceThread(RetentionManager& keeper,
                                     MaintenanceOptions options)
    : keeper_(keeper), options_(options), thread_([this] { Run(); }) {}

MaintenanceThread::~MaintenanceThread() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void MaintenanceThread::Run() {
  Clock::time_point erased = Clock::now(), returned = erased;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    stopped_.wait_for(lock, options_.sweep_every, [this] { return stopping_; });
    const bool stops = stopping_;
    lock.unlock();
    Sweep();
    if (!stops && Clock::now() - erased >= options_.erase_every) {
      Erase();
      erased = Clock::now();
    }
    if (!stops && Clock::now() - returned >= options_.return_memory_every) {
      ReturnFreeMemory();
      returned = Clock::now();
    }
    lock.lock();
  }
}

void MaintenanceThread::Sweep() {
  const absl::Status swept = keeper_.Sweep();
  if (!swept.ok()) SPDLOG_ERROR("sweep error={:?}", Message(swept));
}

void MaintenanceThread::Erase() {
  const auto erased = keeper_.EraseDeleted();
  if (!erased.ok()) {
    SPDLOG_ERROR("erase error={:?}", Message(erased.status()));
  } else if (*erased > 0) {
    SPDLOG_INFO("erased contexts={}", *erased);
  }
}

}  // namespace gist
