#include "core/base/pause.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/base/clock.h"

namespace gist {
namespace {

using std::chrono::milliseconds;

TEST(PauseTest, TakesItsTime) {
  const Clock::time_point start = Clock::now();
  EXPECT_TRUE(Pause(milliseconds(30), std::stop_source().get_token()));
  EXPECT_TRUE(Pause(milliseconds(30), {}));
  EXPECT_GE(SecondsSince(start), 0.06);
}

TEST(PauseTest, EndsAtAStop) {
  std::stop_source stop;
  const Clock::time_point start = Clock::now();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(10));
    stop.request_stop();
  });
  EXPECT_FALSE(Pause(std::chrono::minutes(1), stop.get_token()));
  EXPECT_FALSE(Pause(std::chrono::minutes(1), stop.get_token()));
  EXPECT_LT(SecondsSince(start), 20);
}

}  // namespace
}  // namespace gist
