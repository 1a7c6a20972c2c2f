#include "core/base/thread_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "fmt/format.h"

namespace gist {
namespace {

constexpr int kMostCpus = 8192;  // of a machine; Linux's own bound

struct CpuQuota {
  double cpus = 0;
  std::string file;
};

// "QUOTA PERIOD" in microseconds. Nothing: "max", or no such file.
std::optional<CpuQuota> QuotaOfVersion2(const std::string& folder) {
  const std::string path = folder + "/cpu.max";
  std::ifstream file(path);
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return CpuQuota{quota / period, path};
}

// Nothing: -1, or no such files.
std::optional<CpuQuota> QuotaOfVersion1(const std::string& folder) {
  const std::string path = folder + "/cpu.cfs_quota_us";
  double quota = 0, period = 0;
  if (!(std::ifstream(path) >> quota) || quota <= 0 ||
      !(std::ifstream(folder + "/cpu.cfs_period_us") >> period) ||
      period <= 0) {
    return std::nullopt;
  }
  return CpuQuota{quota / period, path};
}

// `group` below `mount`, then each ancestor, `mount` itself last. A container
// may see its own group at `mount` and the host's path in /proc/self/cgroup.
std::vector<std::string> FoldersUpFrom(const std::string& mount,
                                       const std::string& group) {
  std::vector<std::string> folders;
  std::filesystem::path path = group;
  while (path.has_relative_path()) {
    folders.push_back(mount + path.string());
    path = path.parent_path();
  }
  folders.push_back(mount);
  return folders;
}

// Is cpu among the names of "cpu,cpuacct"?
bool NamesCpu(std::string_view controllers) {
  return fmt::format(",{},", controllers).find(",cpu,") != std::string::npos;
}

// The least quota of all groups that hold this process.
std::optional<CpuQuota> LeastQuota(const std::string& root) {
  std::optional<CpuQuota> least;
  const auto take = [&least](const std::optional<CpuQuota>& quota) {
    if (quota && (!least || quota->cpus < least->cpus)) least = quota;
  };
  const std::string mount = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  // "ID:CONTROLLERS:GROUP"; version 2 has "0::GROUP".
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (names.empty()) {
      for (const char* const part : {"", "/unified"}) {
        for (const auto& folder : FoldersUpFrom(mount + part, group)) {
          take(QuotaOfVersion2(folder));
        }
      }
    } else if (NamesCpu(names)) {
      for (const std::string& part : {std::string("cpu"), names}) {
        for (const auto& folder : FoldersUpFrom(mount + "/" + part, group)) {
          take(QuotaOfVersion1(folder));
        }
      }
    }
  }
  return least;
}

}  // namespace

int AffinityCpus() {
  std::vector<cpu_set_t> sets(kMostCpus / CPU_SETSIZE);
  const size_t bytes = sets.size() * sizeof(cpu_set_t);
  if (sched_getaffinity(0, bytes, sets.data()) != 0) return 1;
  return std::max(1, CPU_COUNT_S(bytes, sets.data()));
}

ThreadCount CountThreads(int cpus, const std::string& root) {
  const auto quota = LeastQuota(root);
  const int allowed =
      quota ? int(std::clamp(std::ceil(quota->cpus), 1.0, 1e6)) : cpus;
  if (allowed < cpus) {
    return {allowed,
            fmt::format("CPU quota {:.2f} in {}", quota->cpus, quota->file)};
  }
  return {cpus, "CPUs in the affinity mask"};
}

ThreadCount ChooseThreads(int wanted) {
  if (wanted > 0) return {wanted, "as configured"};
  return CountThreads(AffinityCpus(), "");
}

}  // namespace gist
