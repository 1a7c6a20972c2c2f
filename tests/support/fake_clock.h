// Wall-clock time that goes on when a test says so.
#pragma once

#include <atomic>
#include <cstdint>

#include "server/support/wall_clock.h"

namespace gist {

class FakeClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return millis_; }
  void Advance(int64_t millis) { millis_ += millis; }

 private:
  std::atomic<int64_t> millis_ = 1'760'000'000'000;
};

}  // namespace gist
