#include "core/base/process_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace gist {
namespace {

using testing::HasSubstr;
using testing::Not;

const char* Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "none" : value;
}

// Run by the other tests in a process of its own.
TEST(ProcessTuningChild, PrintsWhatItWasStartedWith) {
  std::printf("child pid=%d spin=%s policy=%s\n", int(getpid()),
              Variable("GOMP_SPINCOUNT"), Variable("OMP_WAIT_POLICY"));
}

// What the child prints, the shell's process id first: exec keeps it.
std::string OutputOfChild(const std::string& settings) {
  char self[4096] = {};
  EXPECT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const std::string command =
      "unset OMP_WAIT_POLICY GOMP_SPINCOUNT KMP_BLOCKTIME; echo pid=$$; "
      "exec env " +
      settings + " '" + self + "' --gtest_filter='ProcessTuningChild.*'";
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string output;
  char part[256];
  while (std::fgets(part, sizeof(part), pipe) != nullptr) output += part;
  EXPECT_EQ(pclose(pipe), 0) << output;
  return output;
}

TEST(ProcessTuningTest, AProgramRestartsOnceWithAShortSpinCount) {
  const std::string output = OutputOfChild("GIST_TEST=1");
  EXPECT_THAT(output, HasSubstr("spin=1000 policy=none"));
  const std::string pid = output.substr(0, output.find('\n'));
  EXPECT_THAT(output, HasSubstr("child " + pid + " ")) << "the same process";
}

TEST(ProcessTuningTest, WhatTheUserSetStays) {
  EXPECT_THAT(OutputOfChild("OMP_WAIT_POLICY=passive"),
              HasSubstr("spin=none policy=passive"));
  EXPECT_THAT(OutputOfChild("GOMP_SPINCOUNT=7"), HasSubstr("spin=7 "));
  EXPECT_THAT(OutputOfChild("KMP_BLOCKTIME=0"), HasSubstr("spin=none "));
}

TEST(ProcessTuningTest, LargeBlocksComeFromTheHeap) {
  constexpr size_t kBytes = size_t{64} << 20;
  KeepLargeBlocks();
  const auto mapped = mallinfo2().hblks;
  void* const block = std::malloc(kBytes);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(mallinfo2().hblks, mapped) << "no block of its own mapping";
  std::free(block);
}

}  // namespace
}  // namespace gist
