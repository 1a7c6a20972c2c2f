#include "core/base/thread_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;

class ThreadCountTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  ThreadCount Count(int cpus) { return CountThreads(cpus, folder_ / ""); }

  TempDir folder_;
};

TEST_F(ThreadCountTest, WithoutControlGroupsTheAffinityDecides) {
  EXPECT_EQ(Count(6).threads, 6);
  EXPECT_THAT(Count(6).reason, HasSubstr("affinity"));
}

TEST_F(ThreadCountTest, AQuotaOfVersion2RoundsUp) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  const ThreadCount count = Count(8);
  EXPECT_EQ(count.threads, 2);
  EXPECT_THAT(count.reason, HasSubstr("quota 1.50 in "));
  EXPECT_THAT(count.reason, HasSubstr("/sys/fs/cgroup/cpu.max"));
  Write("sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(Count(8).threads, 1);
}

TEST_F(ThreadCountTest, WithoutQuotaTheAffinityDecides) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(Count(8).threads, 8);
  Write("sys/fs/cgroup/cpu.max", "900000 100000\n");
  EXPECT_EQ(Count(8).threads, 8);
}

TEST_F(ThreadCountTest, AnAncestorsQuotaHoldsToo) {
  Write("proc/self/cgroup", "0::/pods/pod7/server\n");
  Write("sys/fs/cgroup/pods/pod7/server/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/pods/pod7/cpu.max", "300000 100000\n");
  Write("sys/fs/cgroup/pods/cpu.max", "600000 100000\n");
  EXPECT_EQ(Count(64).threads, 3);
}

TEST_F(ThreadCountTest, AQuotaOfVersion1Counts) {
  Write("proc/self/cgroup",
        "5:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n1:cpuset:/\n");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "250000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Count(16).threads, 3);
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(Count(16).threads, 16);
}

// Docker mounts the container's group alone, and names it by the host's path.
TEST_F(ThreadCountTest, AContainersOwnGroupLiesAtTheMount) {
  Write("proc/self/cgroup", "3:cpu:/docker/1\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Count(16).threads, 2);
}

TEST_F(ThreadCountTest, DamagedFilesCountAsNoQuota) {
  Write("proc/self/cgroup", "nonsense\n0::/\n:::\n");
  Write("sys/fs/cgroup/cpu.max", "100000\n");
  EXPECT_EQ(Count(4).threads, 4);
  Write("sys/fs/cgroup/cpu.max", "100000 0\n");
  EXPECT_EQ(Count(4).threads, 4);
}

TEST_F(ThreadCountTest, TheAffinityMaskOfThisThreadCounts) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(AffinityCpus(), CPU_COUNT(&before));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(AffinityCpus(), 1);
  EXPECT_EQ(ChooseThreads(0).threads, 1);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST_F(ThreadCountTest, AConfiguredNumberWins) {
  EXPECT_EQ(ChooseThreads(7).threads, 7);
  EXPECT_EQ(ChooseThreads(7).reason, "as configured");
}

}  // namespace
}  // namespace gist
