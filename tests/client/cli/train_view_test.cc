#include "client/cli/train_view.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Of a line: block characters are three bytes and one column.
int ColumnsOf(const std::string& line) {
  int columns = 0;
  for (const char c : line) columns += (c & 0xc0) != 0x80 ? 1 : 0;
  return columns;
}

TEST(SparklineTest, GoesFromTheLowestToTheWholeBlock) {
  EXPECT_EQ(Sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}, 8),
            "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline(std::vector<double>{2, 1}, 8), "█▁");
}

TEST(SparklineTest, ManyValuesShareTheColumns) {
  EXPECT_EQ(Sparkline(std::vector<double>{4, 4, 4, 0, 0, 0}, 2), "█▁");
  EXPECT_EQ(ColumnsOf(Sparkline(std::vector<double>(1000, 1.0), 24)), 24);
}

TEST(SparklineTest, DrawsWhatIsFlatOrNoNumberLow) {
  EXPECT_EQ(Sparkline(std::vector<double>{3, 3}, 5), "▁▁");
  EXPECT_EQ(Sparkline(std::vector<double>{std::nan("")}, 5), "▁");
  EXPECT_EQ(Sparkline(std::vector<double>(), 5), "");
  EXPECT_EQ(Sparkline(std::vector<double>{1}, 0), "");
}

TrainingEvent Step() {
  TrainingEvent step;
  step.set_kind(TrainingEvent::KIND_STEP);
  step.set_stage("short");
  step.set_step(1500);
  step.set_steps(6000);
  step.set_loss(1.2345);
  step.set_tokens_per_second(8400.4);
  step.set_seconds_left(7380);
  return step;
}

TEST(TrainLineTest, ShowsAllWhereThereIsRoom) {
  const std::vector<double> losses(100, 1.0);
  const std::string line = TrainLine(Step(), 0.45, losses, 140);
  EXPECT_THAT(line, StartsWith("short 1,500/6,000 [#####...............] loss "
                               "1.234 dev 45.0 % ▁▁▁▁"));
  EXPECT_THAT(line, HasSubstr("8,400 tokens/s, 2 h 3 min left"));
}

TEST(TrainLineTest, NeverExceedsTheColumns) {
  const std::vector<double> losses = {3, 2, 1, 4, 5, 2, 1, 9, 8, 7};
  for (int columns = 0; columns < 160; ++columns) {
    const std::string line = TrainLine(Step(), 0.45, losses, columns);
    EXPECT_LE(ColumnsOf(line), columns) << line;
  }
  EXPECT_THAT(TrainLine(Step(), 0.45, losses, 40),
              testing::AllOf(HasSubstr("loss 1.234"), Not(HasSubstr("["))));
}

// Of a log: of notes on the work one in ten seconds, but every expected time.
TEST(TrainViewTest, KeepsTheExpectedTime) {
  testing::internal::CaptureStderr();
  {
    TrainView view;
    TrainingEvent event;
    event.set_kind(TrainingEvent::KIND_PREPARING);
    for (const char* const message : {"read 1 of 40", "read 2 of 40"}) {
      event.set_message(message);
      view.Show(event);
    }
    event.set_message("about 3 min");
    event.set_seconds_left(180);
    view.Show(event);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "read 1 of 40\nabout 3 min\n");
}

}  // namespace
}  // namespace gist::client
