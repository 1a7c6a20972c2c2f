#include "core/data/template.h"

#include "gtest/gtest.h"

namespace gist {
namespace {

TEST(TemplateTest, PutsEverySlotInItsPlace) {
  const Slots slots{.value = "1", .key = "2", .other = "3", .third = "4"};
  EXPECT_EQ(Fill("a {} b {k} c {o} d {t}{}", slots), "a 1 b 2 c 3 d 41");
  EXPECT_EQ(Fill("", slots), "");
}

TEST(TemplateTest, LeavesMarksThatItDoesNotKnow) {
  EXPECT_EQ(Fill("a {x} b {", {}), "a {x} b {");
}

TEST(TemplateTest, KeepsMarksInsideOfValuesAsTheyAre) {
  EXPECT_EQ(Fill("{} {k}", {.value = "{k}", .key = "v"}), "{k} v");
}

std::string With(std::string_view value, std::string_view mark) {
  return Fill(std::string("{}").append(mark), {.value = value});
}

TEST(TemplateTest, ChoosesParticlesByTheLastSyllable) {
  EXPECT_EQ(With("도서관", "{은/는}"), "도서관은");
  EXPECT_EQ(With("차고", "{은/는}"), "차고는");
  EXPECT_EQ(With("윤서진", "{이/가}"), "윤서진이");
  EXPECT_EQ(With("한지 공예", "{을/를}"), "한지 공예를");
}

TEST(TemplateTest, ReadsDigitsAndLettersInKorean) {
  // 영 일 이 삼 사 오 육 칠 팔 구
  const std::string_view wanted[] = {"을", "을", "를", "을", "를",
                                     "를", "을", "을", "을", "를"};
  for (int digit = 0; digit < 10; ++digit) {
    const std::string value = "ABC12" + std::to_string(digit);
    EXPECT_EQ(With(value, "{을/를}"), value + std::string(wanted[digit]));
  }
  EXPECT_EQ(With("L", "{이/가}"), "L이");
  EXPECT_EQ(With("M", "{이/가}"), "M이");
  EXPECT_EQ(With("B", "{이/가}"), "B가");
}

TEST(TemplateTest, TreatsRieulAsAVowelBeforeRo) {
  EXPECT_EQ(With("역", "{으로/로}"), "역으로");
  EXPECT_EQ(With("호텔", "{으로/로}"), "호텔로");
  EXPECT_EQ(With("1", "{으로/로}"), "1로");
  EXPECT_EQ(With("3", "{으로/로}"), "3으로");
  EXPECT_EQ(With("호텔", "{은/는}"), "호텔은");
}

}  // namespace
}  // namespace gist
