// How many threads of this process can run at the same time.
#pragma once

#include <string>

namespace gist {

struct ThreadCount {
  int threads = 1;     // 1 or more
  std::string reason;  // one phrase for the log
};

// CPUs that sched_getaffinity(2) allows this thread; 1 where it fails.
int AffinityCpus();

// `cpus`, or the CPU quota of the process's control group if that is less. A
// quota counts in whole CPUs, rounded up. Reads `root`/proc/self/cgroup, and
// the group and its ancestors below `root`/sys/fs/cgroup: cpu.max of version
// 2, cpu.cfs_quota_us and cpu.cfs_period_us of version 1. Source: cgroups(7).
ThreadCount CountThreads(int cpus, const std::string& root);

// `wanted` if it is positive, else CountThreads of this process.
ThreadCount ChooseThreads(int wanted);

}  // namespace gist
