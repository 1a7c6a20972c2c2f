#include "client/terminal/terminal.h"

#include "client/terminal/units.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist::client {
namespace {

TEST(UnitsTest, GroupsDigitsByThrees) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(123'456), "123,456");
  EXPECT_EQ(FormatCount(12'345'678), "12,345,678");
  EXPECT_EQ(FormatCount(-123'456), "-123,456");
}

TEST(UnitsTest, KeepsThreeDigitsOfASize) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1'000), "1.00 kB");
  EXPECT_EQ(FormatBytes(9'994), "9.99 kB");
  EXPECT_EQ(FormatBytes(9'996), "10.0 kB");
  EXPECT_EQ(FormatBytes(99'960), "100 kB");
  EXPECT_EQ(FormatBytes(230'400), "230 kB");
  EXPECT_EQ(FormatBytes(999'700), "1.00 MB");
  EXPECT_EQ(FormatBytes(23'592'960), "23.6 MB");
  EXPECT_EQ(FormatBytes(INT64_MAX), "9.22 EB");
}

TEST(UnitsTest, NeverSaysSixtySeconds) {
  EXPECT_EQ(FormatSeconds(0.214), "0.21 s");
  EXPECT_EQ(FormatSeconds(9.996), "10 s");
  EXPECT_EQ(FormatSeconds(59.7), "1 min 0 s");
  EXPECT_EQ(FormatSeconds(200), "3 min 20 s");
  EXPECT_EQ(FormatSeconds(3599.8), "1 h 0 min");
  EXPECT_EQ(FormatSeconds(7380), "2 h 3 min");
}

TEST(UnitsTest, RoundsRatiosToWhatMatters) {
  EXPECT_EQ(FormatRatio(2.54), "2.5x");
  EXPECT_EQ(FormatRatio(9.97), "10x");
  EXPECT_EQ(FormatRatio(102.4), "102x");
}

TEST(ProgressLineTest, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(ProgressLine({"reading", Unit::kTokens, 1'024, 4'096, 512}, 79),
            "reading [#######.......................] "
            "1,024 / 4,096 tokens, 512/s, 6 s left");
}

TEST(ProgressLineTest, CountsWhatIsSlowByTheMinute) {
  EXPECT_EQ(ProgressLine({"asking", Unit::kAnswers, 100, 1'600, 0.5}, 89),
            "asking [#.............................] "
            "100 / 1,600 answers, 30/min, 50 min 0 s left");
}

TEST(ProgressLineTest, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(ProgressLine({"importing", Unit::kBytes, 5'000, 0, 0}, 79),
            "importing 5.00 kB");
  EXPECT_EQ(ProgressLine({"importing", Unit::kBytes, 5'000, 0, 2'000}, 79),
            "importing 5.00 kB, 2.00 kB/s");
}

TEST(ProgressLineTest, FitsTheTerminal) {
  const Progress progress = {"reading", Unit::kTokens, 1'024, 4'096, 512};
  for (int columns = 0; columns < 120; ++columns) {
    EXPECT_LE(ProgressLine(progress, columns).size(), size_t(columns));
  }
}

TEST(ProgressLineTest, SurvivesMoreDoneThanThereIs) {
  EXPECT_EQ(ProgressLine({"exporting", Unit::kBytes, 2'000, 1'000, 9}, 79),
            "exporting [##############################] "
            "2.00 kB / 1.00 kB, 9 B/s");
}

TEST(WithoutControlsTest, KeepsTextAndDropsWhatDrivesATerminal) {
  EXPECT_EQ(WithoutControls("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(WithoutControls("\x1b[31mred\x07\x7f\r"), "[31mred");
  EXPECT_EQ(WithoutControls("\xc2\x9b"
                            "2J"),
            "2J");
  EXPECT_EQ(WithoutControls("\xc2\xa9\xc3\xa9\xea\xb8\xb0"),
            "\xc2\xa9\xc3\xa9\xea\xb8\xb0");
}

}  // namespace
}  // namespace gist::client
