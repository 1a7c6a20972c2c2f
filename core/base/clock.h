// Monotonic time, for what is measured and for deadlines.
#pragma once

#include <chrono>

namespace gist {

using Clock = std::chrono::steady_clock;

// Wall seconds since `start`.
inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace gist
