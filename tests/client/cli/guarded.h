// A value that several threads share.
#pragma once

#include <mutex>

namespace gist::client {

// A value that calls and the test share: `guarded->member` locks it for the
// whole expression, so that what one side wrote before the other's access is
// seen by it.
template <typename Value>
class Guarded {
 public:
  class Access {
   public:
    explicit Access(Guarded& owner)
        : lock_(owner.mutex_), value_(&owner.value_) {}
    Value* operator->() const { return value_; }

   private:
    std::unique_lock<std::mutex> lock_;
    Value* value_;
  };
  Access operator->() { return Access(*this); }

 private:
  std::mutex mutex_;
  Value value_;
};

}  // namespace gist::client
