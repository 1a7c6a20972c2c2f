#include "server/process_memory.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace gist {
namespace {

// "VmRSS:     1234 kB" of /proc/self/status, in bytes. Source: proc(5).
std::optional<int64_t> StatusBytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(name + ":")) continue;
    int64_t kilobytes = 0;
    if (std::istringstream(line.substr(name.size() + 1)) >> kilobytes) {
      return kilobytes * 1024;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> ResidentBytes() { return StatusBytes("VmRSS"); }

PeakMemory::PeakMemory() {
  malloc_trim(0);
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
