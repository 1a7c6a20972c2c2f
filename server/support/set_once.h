// A value that appears while other threads already look for it.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

namespace gist {

// Thread-safe: any number of readers, one call of Set.
template <typename T>
class SetOnce {
 public:
  void Set(T value) {
    value_.emplace(std::move(value));
    is_set_.store(true, std::memory_order_release);
  }
  // Null before Set.
  const T* get() const {
    return is_set_.load(std::memory_order_acquire) ? &*value_ : nullptr;
  }

 private:
  std::optional<T> value_;  // not touched after is_set_
  std::atomic<bool> is_set_ = false;
};

}  // namespace gist
