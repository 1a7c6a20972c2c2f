// Wall-clock time as records keep it.
#pragma once

#include <chrono>
#include <cstdint>

namespace gist {

// Milliseconds since 1970-01-01 UTC.
inline int64_t UnixMillis() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace gist
