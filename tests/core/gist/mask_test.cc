#include "core/gist/mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace gist {
namespace {

using testing::HasSubstr;

// [prefix 3 | context 20 | gists 4 | question 5 | answer 2]
MaskShape OneBlock() {
  return {.context_tokens = 20,
          .gist_tokens = 4,
          .question_tokens = 5,
          .answer_tokens = 2,
          .prefix_tokens = 3};
}

TEST(MaskTest, ContextIsCausal) {
  const MaskShape shape = OneBlock();
  for (int query = 0; query < shape.gist_begin(); ++query) {
    for (int key = 0; key < shape.total(); ++key) {
      EXPECT_EQ(MayAttend(shape, query, key), key <= query)
          << query << " " << key;
    }
  }
}

TEST(MaskTest, GistSeesAllOfTheContextAndEarlierGists) {
  const MaskShape shape = OneBlock();
  for (int query = shape.gist_begin(); query < shape.gist_end(); ++query) {
    for (int key = 0; key < shape.total(); ++key) {
      EXPECT_EQ(MayAttend(shape, query, key), key <= query)
          << query << " " << key;
    }
  }
}

TEST(MaskTest, QuestionAndAnswerSeeGistsAndNeverTheContext) {
  const MaskShape shape = OneBlock();
  for (int query = shape.gist_end(); query < shape.total(); ++query) {
    for (int key = 0; key < shape.total(); ++key) {
      const bool context = key >= 3 && key < shape.gist_begin();
      EXPECT_EQ(MayAttend(shape, query, key), key <= query && !context)
          << query << " " << key;
    }
  }
}

TEST(MaskTest, BlockOwnsItsShareOfTheContextAndAnOverlapToTheLeft) {
  MaskShape shape = OneBlock();
  shape.gists_per_block = 2;
  shape.block_overlap_tokens = 3;
  // Gists 0, 1 own context [0, 10); gists 2, 3 own [10, 20) and see from 7 on.
  const int context = shape.prefix_tokens, gists = shape.gist_begin();
  EXPECT_TRUE(MayAttend(shape, gists + 1, context + 9));
  EXPECT_FALSE(MayAttend(shape, gists + 1, context + 10));
  EXPECT_FALSE(MayAttend(shape, gists + 2, context + 6));
  EXPECT_TRUE(MayAttend(shape, gists + 2, context + 7));
  EXPECT_TRUE(MayAttend(shape, gists + 3, context + 19));
  EXPECT_TRUE(MayAttend(shape, gists + 3, gists + 2));
  EXPECT_FALSE(MayAttend(shape, gists + 2, gists + 1))
      << "gist of another block";
  EXPECT_TRUE(MayAttend(shape, gists + 2, 0)) << "the prefix";
}

TEST(MaskTest, SlotsAreWrittenAtTheEndOfTheirBlock) {
  MaskShape shape = OneBlock();
  shape.gists_per_block = 2;
  EXPECT_EQ(SlotOf(shape, 0).position, 10);
  EXPECT_EQ(SlotOf(shape, 1).position, 11);
  EXPECT_EQ(SlotOf(shape, 3).position, 21);
  EXPECT_EQ(SlotOf(shape, 3).slot, 1);
}

TEST(MaskTest, LastBlockHasTheGistsLeftAndTheirShareOfTheContext) {
  MaskShape shape = OneBlock();
  shape.context_tokens = 50;
  shape.gist_tokens = 5;
  shape.gists_per_block = 2;
  const GistSlot last = SlotOf(shape, 4);
  EXPECT_EQ(last.block, 2);
  EXPECT_EQ(last.slot, 0);
  EXPECT_EQ(last.context_begin, 40);
  EXPECT_EQ(last.context_end, 50);
  EXPECT_EQ(SlotOf(shape, 2).context_begin, 20);
  EXPECT_EQ(SlotOf(shape, 3).context_end, 40);
}

TEST(MaskTest, FewerGistsThanABlockHasShareOneBlock) {
  MaskShape shape = OneBlock();
  shape.gist_tokens = 3;
  shape.gists_per_block = 10;
  EXPECT_EQ(SlotOf(shape, 2).block, 0);
  EXPECT_EQ(SlotOf(shape, 2).slot, 2);
  EXPECT_EQ(SlotOf(shape, 0).context_end, shape.context_tokens);
}

TEST(MaskTest, BlocksOfATinyContextStayInside) {
  const MaskShape shape{.context_tokens = 1,
                        .gist_tokens = 10,
                        .gists_per_block = 2,
                        .block_overlap_tokens = 32};
  for (int i = 0; i < 10; ++i) {
    const GistSlot slot = SlotOf(shape, i);
    EXPECT_GE(slot.context_begin, 0);
    EXPECT_LE(slot.context_end, 1);
    EXPECT_LE(slot.context_begin, slot.context_end);
  }
  EXPECT_EQ(SlotOf(shape, 9).context_end, 1);
}

TEST(MaskTest, ContextSeesOnlyItsSegment) {
  MaskShape shape = OneBlock();
  shape.segment_tokens = 8;
  const int context = shape.prefix_tokens;
  EXPECT_TRUE(MayAttend(shape, context + 7, context));
  EXPECT_FALSE(MayAttend(shape, context + 8, context + 7));
  EXPECT_TRUE(MayAttend(shape, context + 19, context + 16));
  EXPECT_TRUE(MayAttend(shape, context + 19, 0)) << "the prefix";
}

TEST(MaskTest, TensorSaysTheSame) {
  MaskShape shape = OneBlock();
  shape.gists_per_block = 2;
  shape.segment_tokens = 8;
  const std::vector<float> mask = AttentionMask(shape);
  const size_t total = size_t(shape.total());
  ASSERT_EQ(mask.size(), total * total);
  for (size_t query = 0; query < total; ++query) {
    for (size_t key = 0; key < total; ++key) {
      const float value = mask[query * total + key];
      EXPECT_TRUE(value == 0.0f || (std::isinf(value) && value < 0));
      EXPECT_EQ(value == 0.0f, MayAttend(shape, int(query), int(key)));
    }
  }
}

TEST(MaskTest, PictureHasASquareForEachPairAndNamesTheParts) {
  const MaskShape shape{.context_tokens = 6,
                        .gist_tokens = 2,
                        .question_tokens = 2,
                        .answer_tokens = 1};
  const std::string svg = DrawMaskSvg(shape);
  size_t squares = 0;
  for (size_t at = svg.find("<rect x="); at != std::string::npos;
       at = svg.find("<rect x=", at + 1)) {
    ++squares;
  }
  EXPECT_EQ(squares, 11u * 11u);
  for (const char* part : {"context", "gists", "question", "answer"}) {
    EXPECT_THAT(svg, HasSubstr(part));
  }
  EXPECT_THAT(svg, testing::Not(HasSubstr("prefix")));
}

}  // namespace
}  // namespace gist
