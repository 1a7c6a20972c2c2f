// The form of core/data/tables: each mistake in a table is named.
#include "core/data/tables.h"

#include "core/data/frames.h"
#include "core/data/overview_frames.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

auto IsTableError(const std::string& found) {
  return StatusIs(absl::StatusCode::kInvalidArgument,
                  AllOf(HasSubstr("core/data/tables/t"), HasSubstr(found)));
}

TEST(TablesTest, ReadRowsAndSkipComments) {
  const auto rows =
      ParseTable("t", "# c\nset\tword\n\na\t-\nb\tc d\n", "set\tword");
  ASSERT_THAT(rows, IsOk());
  EXPECT_THAT(*rows,
              ElementsAre(ElementsAre("a", ""), ElementsAre("b", "c d")));
}

TEST(TablesTest, NameTheLineOfAMistake) {
  EXPECT_THAT(ParseTable("t", "set\n", "set\tword"),
              IsTableError("t:1: found \"set\", want the header"));
  EXPECT_THAT(ParseTable("t", "set\tword\na\tb\nc\n", "set\tword"),
              IsTableError("t:3: found 1 fields, want 2"));
  EXPECT_THAT(ParseTable("t", "set\tword\n", "set\tword"),
              IsTableError("no row"));
  EXPECT_THAT(ParseTable("t", "", "set\tword"), IsTableError("no row"));
}

TEST(TablesTest, ReadListsInOrder) {
  const auto lists =
      ParseLists("t", "# c\n[a]\none\ntwo words\n\n[b]\nx\n", {"a", "b"});
  ASSERT_THAT(lists, IsOk());
  EXPECT_THAT(*lists,
              ElementsAre(ElementsAre("one", "two words"), ElementsAre("x")));
}

TEST(TablesTest, RefuseOtherLists) {
  EXPECT_THAT(ParseLists("t", "one\n", {"a"}), IsTableError("t:1"));
  EXPECT_THAT(ParseLists("t", "[b]\none\n", {"a"}), IsTableError("want [a]"));
  EXPECT_THAT(ParseLists("t", "[a]\none\n[b]\nx\n", {"a"}),
              IsTableError("t:3"));
  EXPECT_THAT(ParseLists("t", "[a]\none\n", {"a", "b"}),
              IsTableError("1 lists"));
  EXPECT_THAT(ParseLists("t", "[a]\n[b]\nx\n", {"a", "b"}),
              IsTableError("[a] empty"));
}

TEST(TablesTest, RefuseFramesOfUnknownSetOrKind) {
  const auto parse = [](const std::string& row) {
    return ParseFrames(
        "t", "set\tkind\tattribute\tneedle\tquestion\tquestion\n" + row + "\n");
  };
  const auto frames = parse("held-out\tdate\t-\tIt was {}.\tWhen?\t-");
  ASSERT_THAT(frames, IsOk());
  EXPECT_EQ(frames->Of(FrameSet::kHeldOut).size(), 1u);
  EXPECT_EQ(frames->Of(FrameSet::kTrain).size(), 0u);
  EXPECT_THAT(parse("test\tdate\t-\tIt was {}.\tWhen?\t-"),
              IsTableError("row \"test\" | \"date\""));
  EXPECT_THAT(parse("train\tday\t-\tIt was {}.\tWhen?\t-"),
              IsTableError("row \"train\" | \"day\""));
  EXPECT_THAT(parse("train\tdate\t-\tIt was {}.\t-\tWhen?"),
              IsTableError("It was {}."));
}

TEST(TablesTest, RefuseOverviewFramesWithAGap) {
  const auto parse = [](const std::string& row) {
    return ParseOverviewFrames(
        "t",
        "set\tkind\tsentence\tsentence\tquestion\tquestion\n" + row + "\n");
  };
  EXPECT_THAT(parse("train\ttopic\tA {k}.\tB {k}.\tC?\tD?"), IsOk());
  EXPECT_THAT(parse("train\ttopic\tA {k}.\t-\tC?\tD?"), IsTableError("A {k}."));
  EXPECT_THAT(parse("train\tmood\tA {k}.\tB {k}.\tC?\tD?"),
              IsTableError("mood"));
}

TEST(TablesTest, AreCompiledIn) {
  for (const char* name :
       {"keyed_en.tsv", "keyed_ko.tsv", "overview_en.tsv", "overview_ko.tsv",
        "passkey_en.tsv", "passkey_ko.tsv", "words_en.txt", "words_ko.txt"}) {
    EXPECT_GT(TableText(name).size(), 1000u) << name;
  }
  EXPECT_EQ(TableText("none.tsv"), "");
}

}  // namespace
}  // namespace gist
