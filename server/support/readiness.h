// Whether new calls are welcome, as probes ask.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace gist {

// Begins not ready. Thread-safe.
class Readiness {
 public:
  // `why`: what a server that is not ready does ("draining").
  void Set(bool ready, std::string why = "") {
    std::function<void(bool)> listener;
    {
      const std::scoped_lock lock(mutex_);
      if (ready == ready_ && why == why_) return;
      ready_ = ready;
      was_ready_ = was_ready_ || ready;
      why_ = std::move(why);
      listener = listener_;
    }
    if (listener) listener(ready);
  }
  bool ready() const {
    const std::scoped_lock lock(mutex_);
    return ready_;
  }
  // True from the first Set(true) on.
  bool was_ready() const {
    const std::scoped_lock lock(mutex_);
    return was_ready_;
  }
  std::string why() const {
    const std::scoped_lock lock(mutex_);
    return why_;
  }
  // Called after each Set that changes something, on its thread; one listener
  // at a time, empty: none. Nobody calls Set while it is exchanged.
  void Listen(std::function<void(bool)> listener) {
    const std::scoped_lock lock(mutex_);
    listener_ = std::move(listener);
  }

 private:
  mutable std::mutex mutex_;
  bool ready_ = false;
  bool was_ready_ = false;
  std::string why_ = "loading";
  std::function<void(bool)> listener_;
};

}  // namespace gist
