#include "core/base/float16.h"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace gist {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value by the definition of binary16, in another way than the code's.
double HalfByDefinition(int bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 0x3ff;
  const double magnitude = exponent == 0
                               ? std::ldexp(mantissa, -24)
                               : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

bool HalfIsFinite(int bits) { return (bits & 0x7c00) != 0x7c00; }

TEST(HalfTest, EveryFiniteHalfHasItsDefinedValue) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    if (!HalfIsFinite(bits)) continue;
    const float value = HalfToFloat(uint16_t(bits));
    ASSERT_EQ(value, HalfByDefinition(bits)) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
  }
}

TEST(HalfTest, EveryHalfSurvivesTheWayThroughFloat) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = HalfToFloat(uint16_t(bits));
    const bool is_nan = !HalfIsFinite(bits) && (bits & 0x3ff) != 0;
    ASSERT_EQ(std::isnan(value), is_nan) << bits;
    ASSERT_EQ(FloatToHalf(value), is_nan ? bits | 0x200 : bits) << bits;
  }
}

TEST(HalfTest, RoundsToNearestAndTiesToEven) {
  for (int low = 0; low < 0x7bff; ++low) {
    const int high = low + 1;
    const float middle =
        float((HalfByDefinition(low) + HalfByDefinition(high)) / 2);
    const int even = low % 2 == 0 ? low : high;
    ASSERT_EQ(FloatToHalf(middle), even) << low;
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, kInfinity)), high) << low;
  }
}

TEST(HalfTest, BecomesInfinityFrom65520On) {
  EXPECT_EQ(FloatToHalf(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-1e30f), 0xfc00);
  EXPECT_EQ(FloatToHalf(kInfinity), 0x7c00);
}

TEST(HalfTest, VanishesBelowHalfOfTheLeast) {
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0);
  EXPECT_EQ(FloatToHalf(std::nextafter(0x1p-25f, 1.0f)), 1);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bfloat16Test, EveryValueSurvivesTheWayThroughFloat) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = Bfloat16ToFloat(uint16_t(bits));
    ASSERT_EQ(FloatToBfloat16(value), std::isnan(value) ? bits | 0x40 : bits);
  }
  EXPECT_EQ(Bfloat16ToFloat(0x3f80), 1.0f);
  EXPECT_EQ(Bfloat16ToFloat(0xc040), -3.0f);
}

TEST(Bfloat16Test, RoundsToNearestAndTiesToEven) {
  for (int low = 0; low < 0x7f7f; ++low) {
    const float middle = std::bit_cast<float>(uint32_t(low) << 16 | 0x8000);
    ASSERT_EQ(FloatToBfloat16(middle), low % 2 == 0 ? low : low + 1);
    ASSERT_EQ(FloatToBfloat16(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(FloatToBfloat16(std::nextafter(middle, kInfinity)), low + 1);
  }
}

TEST(Bfloat16Test, KeepsANanWhosePayloadIsCutOff) {
  const float nan = std::bit_cast<float>(0x7f800001);
  EXPECT_TRUE(std::isnan(Bfloat16ToFloat(FloatToBfloat16(nan))));
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(nan))));
}

TEST(Float16ArrayTest, ReadsAtAnyAlignmentAndWritesNoMore) {
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string bytes =
        std::string(shift, 'x') + std::string("\x00\x3c\x00\xc0\x01\x00", 6);
    std::vector<float> halves(4, 7.0f), bfloats(4, 7.0f);
    HalvesToFloats(bytes.data() + shift, 3, halves.data());
    Bfloat16sToFloats(bytes.data() + shift, 3, bfloats.data());
    EXPECT_EQ(halves, (std::vector<float>{1.0f, -2.0f, 0x1p-24f, 7.0f}));
    EXPECT_EQ(bfloats, (std::vector<float>{0x1p-7f, -2.0f, 0x1p-133f, 7.0f}));
  }
}

}  // namespace
}  // namespace gist
