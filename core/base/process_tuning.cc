#include "core/base/process_tuning.h"

#include <limits.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace gist {
namespace {

// Measured in docs/performance.md.
constexpr char kSpinCount[] = "GOMP_SPINCOUNT=1000";
constexpr size_t kMostVariables = 8192;

bool StartsWith(const char* text, const char* prefix) {
  return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

bool SaysHowToWait(const char* variable) {
  return StartsWith(variable, "OMP_WAIT_POLICY=") ||
         StartsWith(variable, "GOMP_SPINCOUNT=") ||
         StartsWith(variable, "KMP_BLOCKTIME=");
}

// Runs before any constructor: uses system calls and no heap. After an error
// the process goes on as it is.
void RestartWithSpinCount(int, char** argv, char** environment) {
  static char* variables[kMostVariables];
  static char spin_count[sizeof(kSpinCount)];
  static char path[PATH_MAX];
  // Zero: ld.so runs as the program, and /proc/self/exe would be ld.so.
  if (getauxval(AT_BASE) == 0) return;
  size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    if (count + 2 >= kMostVariables || SaysHowToWait(environment[count])) {
      return;
    }
    variables[count] = environment[count];
  }
  std::memcpy(spin_count, kSpinCount, sizeof(kSpinCount));
  variables[count] = spin_count;
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) <= 0) return;
  execve(path, argv, variables);
}

// The dynamic linker calls these before the constructors of libraries. Source:
// System V ABI, "Initialization and Termination Functions".
[[gnu::used, gnu::section(".preinit_array")]] void (*const restart)(
    int, char**, char**) = RestartWithSpinCount;

}  // namespace

void KeepLargeBlocks() {
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr) return;
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2047 << 20);
  mallopt(M_TOP_PAD, 256 << 20);
}

}  // namespace gist
