#include "server/support/process_memory.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <string>

namespace gist {
namespace {

// The highest VmHWM that was reset.
std::atomic<int64_t> forgotten_peak{0};

void Raise(std::atomic<int64_t>& most, int64_t value) {
  int64_t seen = most.load();
  while (seen < value && !most.compare_exchange_weak(seen, value)) {
  }
}

// "VmRSS:     1234 kB" of a file like /proc/self/status, in bytes. Source:
// proc(5).
std::optional<int64_t> KilobytesIn(const char* path, const std::string& name) {
  std::ifstream status(path);
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(name + ":")) continue;
    int64_t kilobytes = 0;
    if (std::istringstream(line.substr(name.size() + 1)) >> kilobytes) {
      return kilobytes * 1024;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> StatusBytes(const std::string& name) {
  return KilobytesIn("/proc/self/status", name);
}

// Nothing: no such file, or "max".
std::optional<int64_t> NumberIn(const char* path) {
  int64_t number = 0;
  if (std::ifstream(path) >> number) return number;
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> ResidentBytes() { return StatusBytes("VmRSS"); }

std::optional<int64_t> PeakResidentBytes() {
  const auto peak = StatusBytes("VmHWM");
  if (!peak) return std::nullopt;
  return std::max(*peak, forgotten_peak.load());
}

std::optional<int64_t> HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  const auto bytes = int64_t(info.uordblks + info.hblkhd);
  if (bytes == 0) return std::nullopt;  // another malloc is in its place
  return bytes;
}

void ReturnFreeMemory() { malloc_trim(0); }

std::optional<int64_t> MemoryLimitBytes() {
  auto limit = KilobytesIn("/proc/meminfo", "MemTotal");
  for (const char* const path :
       {"/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const auto group = NumberIn(path);
    if (group && (!limit || *group < *limit)) limit = group;
  }
  return limit;
}

PeakMemory::PeakMemory() {
  ReturnFreeMemory();
  Raise(forgotten_peak, StatusBytes("VmHWM").value_or(0));
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5";  // sets VmHWM to VmRSS
  clear.close();
  if (clear) start_ = ResidentBytes();
}

std::optional<int64_t> PeakMemory::BytesOverStart() const {
  const auto peak = StatusBytes("VmHWM");
  if (!start_ || !peak) return std::nullopt;
  return std::max<int64_t>(0, *peak - *start_);
}

}  // namespace gist
