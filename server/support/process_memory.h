// What this process holds in memory, by the kernel's count.
#pragma once

#include <cstdint>
#include <optional>

namespace gist {

// Resident now, in bytes; nothing where the kernel does not tell.
std::optional<int64_t> ResidentBytes();

// The most that was resident since the process began, whatever PeakMemory did
// meanwhile.
std::optional<int64_t> PeakResidentBytes();

// What malloc has handed out and not got back, in bytes: grows without end
// where memory is lost, which resident memory tells only after its caches are
// full. Nothing where malloc does not tell. Source: mallinfo(3).
std::optional<int64_t> HeapBytes();

// Gives back to the kernel the pages that malloc keeps of what was freed: else
// what is resident grows for as long as memory is used in ever new patterns.
void ReturnFreeMemory();

// What the process may have at most: the limit of its control group, or the
// machine's memory. Source: cgroups(7), memory.max.
std::optional<int64_t> MemoryLimitBytes();

// The most that was resident beyond what was when this object was made. Calls
// ReturnFreeMemory first. One at a time: the kernel keeps one peak for a
// process.
class PeakMemory {
 public:
  PeakMemory();
  std::optional<int64_t> BytesOverStart() const;

 private:
  std::optional<int64_t> start_;
};

}  // namespace gist
