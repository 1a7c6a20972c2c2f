// The seam of wall-clock time: what expires, expires by this.
#pragma once

#include <cstdint>

#include "core/base/unix_time.h"

namespace gist {

// Thread-safe.
class WallClock {
 public:
  virtual ~WallClock() = default;
  // Milliseconds since 1970-01-01 UTC. May jump, backwards too.
  virtual int64_t UnixMillis() const = 0;
};

class SystemWallClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return gist::UnixMillis(); }
};

}  // namespace gist
