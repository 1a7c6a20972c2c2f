#include "core/kernels/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

namespace gist {
namespace {

TEST(ThreadTeamTest, VisitsEachIndexOnce) {
  for (const int threads : {1, 2, 4}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (const int count : {0, 1, 2, 3, 100, 5000}) {
      std::vector<std::atomic<int>> visits(size_t(count) + 1);
      team.For(count, [&](int index, int thread) {
        EXPECT_LT(thread, threads);
        ++visits[size_t(index)];
      });
      for (int i = 0; i < count; ++i) ASSERT_EQ(visits[size_t(i)], 1) << i;
      EXPECT_EQ(visits[size_t(count)], 0);
    }
  }
}

// A loop has ended when For returns, so the next may use what it wrote.
TEST(ThreadTeamTest, LoopsFollowEachOther) {
  ThreadTeam team(3);
  std::vector<int> values(64, 0);
  for (int loop = 1; loop <= 2000; ++loop) {
    team.For(int(values.size()), [&](int i, int) {
      EXPECT_EQ(values[size_t(i)], loop - 1);
      values[size_t(i)] = loop;
    });
  }
}

TEST(ThreadTeamTest, HelpersThatSleepComeBack) {
  ThreadTeam team(2);
  std::atomic<int> sum = 0;
  for (int loop = 0; loop < 3; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    team.For(10, [&](int i, int) { sum += i; });
  }
  EXPECT_EQ(sum, 3 * 45);
}

TEST(ThreadTeamTest, WhatWorkThrowsLeavesTheLoop) {
  for (const int threads : {1, 3}) {
    ThreadTeam team(threads);
    for (int loop = 0; loop < 50; ++loop) {
      EXPECT_THROW(team.For(40,
                            [](int i, int) {
                              if (i % 7 == 3) throw std::bad_alloc();
                            }),
                   std::bad_alloc);
      std::atomic<int> done = 0;
      team.For(40, [&](int, int) { ++done; });
      EXPECT_EQ(done, 40);
    }
  }
}

TEST(ThreadTeamTest, ASecondCallerWorksAlone) {
  ThreadTeam team(2);
  std::atomic<int> done = 0;
  const auto call = [&] {
    for (int loop = 0; loop < 500; ++loop)
      team.For(20, [&](int, int) { ++done; });
  };
  std::thread other(call);
  call();
  other.join();
  EXPECT_EQ(done, 2 * 500 * 20);
}

}  // namespace
}  // namespace gist
