// One holder at a time for each key: equal requests are worked on once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/status.h"
#include "server/scheduling/caller.h"

namespace gist {

// Thread-safe. Outlives its holds.
class KeyedLock {
 public:
  // Gives the key back when it goes.
  class Hold {
   public:
    Hold(KeyedLock& lock, std::string key)
        : lock_(&lock), key_(std::move(key)) {}
    Hold(Hold&& other) noexcept
        : lock_(std::exchange(other.lock_, nullptr)),
          key_(std::move(other.key_)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (lock_ != nullptr) lock_->Release(key_);
    }

   private:
    KeyedLock* lock_;
    std::string key_;
  };

  // Waits until nobody holds `key`, or the caller leaves.
  absl::StatusOr<Hold> Acquire(const std::string& key, const Caller& caller) {
    std::unique_lock lock(mutex_);
    while (!held_.insert(key).second) {
      GIST_RETURN_IF_ERROR(caller.Check());
      released_.wait_for(lock, kPoll);  // leaving wakes nobody
    }
    return Hold(*this, key);
  }

 private:
  static constexpr std::chrono::milliseconds kPoll{20};

  void Release(const std::string& key) {
    {
      const std::scoped_lock lock(mutex_);
      held_.erase(key);
    }
    released_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> held_;
};

}  // namespace gist
