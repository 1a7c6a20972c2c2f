#include "server/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "gtest/gtest.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

using std::chrono::milliseconds;

void Send(int number) { kill(getpid(), number); }

TEST(StopSignalsTest, TheFirstIsTheOneThatIsWaitedFor) {
  StopSignals signals;
  Send(SIGINT);
  EXPECT_EQ(signals.Wait(), SIGINT);
  EXPECT_FALSE(signals.WaitForSecond(milliseconds(100)));
  EXPECT_EQ(signals.Wait(), SIGINT);  // also when asked again
}

TEST(StopSignalsTest, ASecondIsHeardByWhoWaitsAndByWhoAskedForACall) {
  StopSignals signals;
  std::atomic<int> calls = 0;
  signals.OnSecond([&] { ++calls; });
  Send(SIGTERM);
  EXPECT_EQ(signals.Wait(), SIGTERM);
  EXPECT_EQ(calls, 0);
  Send(SIGTERM);
  EXPECT_TRUE(signals.WaitForSecond(milliseconds(10'000)));
  for (int i = 0; i < 1000 && calls == 0; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_GE(calls, 1);
  const int before = calls;
  signals.OnSecond([&] { ++calls; });  // too late to wait for one
  EXPECT_EQ(calls, before + 1);
  signals.OnSecond({});
  Send(SIGTERM);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(calls, before + 1);
}

// While a model loads, which nothing interrupts.
TEST(StopSignalsDeathTest, ItEndsWithZeroAtOnceWhereThatIsSet) {
  EXPECT_EXIT(
      {
        spdlog::set_level(spdlog::level::off);
        StopSignals signals;
        signals.SetEndsAtOnce(true);
        Send(SIGTERM);
        std::this_thread::sleep_for(std::chrono::seconds(20));
        std::_Exit(1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace gist
