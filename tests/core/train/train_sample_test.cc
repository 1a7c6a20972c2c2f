// Tasks put into text: every needle whole, and where it may stand.
#include "core/train/train_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/core/train/tiny_tasks.h"
#include "tests/core/train/tiny_training.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

constexpr int kSegment = 32;

class LessonTest : public testing::Test {
 protected:
  std::string Text(std::span<const int32_t> ids) const {
    std::string text;
    for (const int32_t id : ids) text += base_.tokenizer->Bytes(id);
    return text;
  }
  TrainSample Next(const LessonWriter& writer) {
    auto lesson = writer.Next(rng_);
    EXPECT_THAT(lesson, IsOk());
    return *std::move(lesson);
  }

  const BaseModel base_ = LoadTinyModel();
  Rng rng_{1};
};

TEST_F(LessonTest, HoldsEveryNeedleWholeAndInOrder) {
  const TinyTasks tasks(3);
  const LessonWriter writer(tasks, *base_.tokenizer, kSegment);
  for (int i = 0; i < 200; ++i) {
    const TrainSample lesson = Next(writer);
    size_t next = 0;
    for (const NeedleUnit& unit : lesson.units) {
      EXPECT_EQ(unit.ids.size() % kSegment, 0u);
      for (const auto& [begin, end] : unit.needles) {
        const auto ids =
            std::span(unit.ids).subspan(size_t(begin), size_t(end - begin));
        ASSERT_LT(next, lesson.set.tasks.size());
        EXPECT_EQ(Text(ids), " " + lesson.set.tasks[next++].needles[0]);
      }
    }
    EXPECT_EQ(next, 3u);
  }
}

TEST_F(LessonTest, SomeNeedlesLieAcrossASegmentsBorderAndAllDepthsOccur) {
  const TinyTasks tasks;
  const LessonWriter writer(tasks, *base_.tokenizer, kSegment);
  std::set<int> begins;
  int straddling = 0;
  for (int i = 0; i < 400; ++i) {
    const TrainSample lesson = Next(writer);
    ASSERT_EQ(lesson.units.size(), 1u);
    const auto [begin, end] = lesson.units[0].needles[0];
    if (lesson.units[0].ids.size() == kSegment) {
      begins.insert(begin);
      continue;
    }
    ++straddling;
    EXPECT_LT(begin, kSegment);
    EXPECT_GT(end, kSegment);
  }
  EXPECT_GT(straddling, 30);
  EXPECT_LT(straddling, 90);
  EXPECT_GT(begins.size(), 12u);
  EXPECT_EQ(*begins.begin(), 0);
}

TEST_F(LessonTest, FactsThatTheTextDoesNotSayNeedNoUnit) {
  const TinyTasks tasks(0);
  const TrainSample lesson =
      Next(LessonWriter(tasks, *base_.tokenizer, kSegment));
  EXPECT_TRUE(lesson.units.empty());
  EXPECT_EQ(lesson.set.tasks.size(), 1u);
}

TEST_F(LessonTest, FillerIsOneSegmentAndFollowsTheLanguage) {
  const TinyTasks tasks;
  const LessonWriter writer(tasks, *base_.tokenizer, kSegment);
  for (const std::string language : {"en", "ko"}) {
    const auto ids = writer.Filler(language, rng_);
    ASSERT_THAT(ids, IsOk());
    EXPECT_EQ(ids->size(), size_t(kSegment));
    EXPECT_NE(Text(*ids).find(language), std::string::npos) << Text(*ids);
  }
}

TEST_F(LessonTest, CodePartsAreTheVocabularysOwnTokensOfLetters) {
  const std::vector<std::string> parts = CodeParts(*base_.tokenizer);
  std::set<std::string> wanted;
  for (int id = 0; id < base_.tokenizer->vocab_size(); ++id) {
    const std::string bytes(base_.tokenizer->Bytes(id));
    const bool letters = std::ranges::all_of(bytes, [](char c) {
      return c >= 'A' && c <= 'Z' && c != 'I' && c != 'O';
    });
    if (letters && !bytes.empty() && bytes.size() <= 3) wanted.insert(bytes);
  }
  EXPECT_GE(wanted.size(), 24u);
  EXPECT_EQ(std::set(parts.begin(), parts.end()), wanted);
  for (const std::string& part : parts) {
    const auto ids = base_.tokenizer->Encode(part);
    ASSERT_THAT(ids, IsOk());
    EXPECT_EQ(ids->size(), 1u) << part;
  }
}

TEST_F(LessonTest, ANeedleLongerThanASegmentIsAnError) {
  const TinyTasks tasks;
  EXPECT_THAT(LessonWriter(tasks, *base_.tokenizer, 8).Next(rng_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("does not fit into a segment of 8")));
}

TEST(DerivedRngTest, StreamsAndIndicesDiffer) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (uint64_t stream = 0; stream < 4; ++stream) {
      for (uint64_t index = 0; index < 16; ++index) {
        first.insert(DerivedRng(seed, stream, index).Next());
      }
    }
  }
  EXPECT_EQ(first.size(), 4u * 4 * 16);
}

}  // namespace
}  // namespace gist
