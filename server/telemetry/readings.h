// What the metrics page shows of the server's state, as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "server/scheduling/scheduler.h"

namespace gist {

struct PartBytes {
  std::string part;
  int64_t bytes = 0;
};

struct Readings {
  SchedulerLoad load;
  int max_requests = 0;
  int64_t cache_hits = 0;  // of the sequence cache
  int64_t cache_misses = 0;
  int64_t cache_bytes = 0;
  int64_t cache_limit_bytes = 0;
  // Nothing where the system does not tell.
  std::optional<int64_t> resident_bytes, peak_bytes, heap_bytes,
      memory_limit_bytes;
  std::optional<int64_t> disk_free_bytes, disk_size_bytes;
  std::vector<PartBytes> data;  // "store", "training", "datasets", "adapters"
  bool adapter_loaded = false;  // a gist adapter is in use
  std::string device;           // "cpu", "cuda:0"
  std::optional<DeviceMemory> device_memory;
};

}  // namespace gist
