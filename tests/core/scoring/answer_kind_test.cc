#include "core/scoring/answer_kind.h"

#include "core/data/niah_tasks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

TEST(IsRefusalTest, KnowsTheWordingsOfBothLanguages) {
  for (const char* answer :
       {"Not mentioned.", "The text doesn't mention any passkey.",
        "There is no passkey in the text", "I don't know.",
        "언급되지 않았습니다.", "텍스트에는 비밀 패스키가 없습니다.",
        "알 수 없습니다"}) {
    EXPECT_TRUE(IsRefusal(answer)) << answer;
  }
  for (const char* answer : {"ABC123", "The passkey is ABC123.", "",
                             "Miriam Castell", "비밀 패스키는 ABC123입니다."}) {
    EXPECT_FALSE(IsRefusal(answer)) << answer;
  }
  EXPECT_TRUE(IsRefusal(NotMentioned("en")));
  EXPECT_TRUE(IsRefusal(NotMentioned("ko")));
}

TEST(NamesTest, WantsTheValueAlone) {
  EXPECT_TRUE(Names("It is ABC123.", "abc123"));
  EXPECT_TRUE(Names("패스키는 ABC123입니다", "ABC123"));
  EXPECT_FALSE(Names("It is ABC1234", "ABC123"));
  EXPECT_FALSE(Names("1987", "198"));
  EXPECT_TRUE(Names("1987 or 198", "198"));
  EXPECT_FALSE(Names("anything", ""));
}

class KindOfTest : public testing::Test {
 protected:
  AnswerKind Kind(std::string_view answer, bool absent = false) const {
    return KindOf(answer, {.question = "What is the code of Lot 77 (AAA111)?",
                           .document = "ABC123 XYZ789 QQQ555",
                           .truths = truths_,
                           .absent = absent,
                           .here = here_,
                           .elsewhere = elsewhere_});
  }
  std::vector<std::string> truths_ = {"ABC123"};
  std::vector<std::string> here_ = {"XYZ789", "ABC123", "AAA111", "7",
                                    "Not mentioned."};
  std::vector<std::string> elsewhere_ = {"LMN456", "QQQ555"};
};

TEST_F(KindOfTest, TellsWhatAnAnswerNames) {
  EXPECT_EQ(Kind("It is ABC123."), AnswerKind::kRight);
  EXPECT_EQ(Kind("ABC123, not XYZ789"), AnswerKind::kRight);
  EXPECT_EQ(Kind("XYZ789"), AnswerKind::kOtherValue);
  EXPECT_EQ(Kind("LMN456"), AnswerKind::kOtherDocument);
  EXPECT_EQ(Kind("QQQ555"), AnswerKind::kOther);  // the document has it too
  EXPECT_EQ(Kind("AAA111"), AnswerKind::kOther);  // the question's own
  EXPECT_EQ(Kind("7"), AnswerKind::kOther);       // too short to tell
  EXPECT_EQ(Kind("ABC12"), AnswerKind::kOther);
  EXPECT_EQ(Kind("Not mentioned."), AnswerKind::kRefusal);
  EXPECT_EQ(Kind(" . "), AnswerKind::kEmpty);
}

TEST_F(KindOfTest, WantsARefusalOfWhatIsAbsent) {
  truths_ = {"Not mentioned."};
  EXPECT_EQ(Kind("Not mentioned.", true), AnswerKind::kRight);
  EXPECT_EQ(Kind("The text does not say.", true), AnswerKind::kRight);
  EXPECT_EQ(Kind("DEF456", true), AnswerKind::kOther);
  EXPECT_EQ(Kind("XYZ789", true), AnswerKind::kOtherValue);
  EXPECT_EQ(Kind("There is no doubt: XYZ789", true), AnswerKind::kOtherValue);
  EXPECT_EQ(Kind("", true), AnswerKind::kEmpty);
}

TEST(ChoiceTest, WantsTheTruthAlone) {
  const std::vector<std::string> options = {"salt", "salt trade", "bees"};
  EXPECT_EQ(ChoiceScore("It is about salt.", "salt", options), 1);
  EXPECT_EQ(ChoiceScore("The salt trade", "salt", options), 0);
  EXPECT_EQ(ChoiceScore("The salt trade", "salt trade", options), 1);
  EXPECT_EQ(ChoiceScore("salt or bees", "salt", options), 0);
  EXPECT_EQ(ChoiceScore("bees", "salt", options), 0);
  EXPECT_EQ(ChoiceScore("", "salt", options), 0);
  EXPECT_EQ(ChoiceScore("양봉입니다", "양봉", {}), 1);
}

// Every frame and wording is met many times; the seed is the test's own.
TEST(ChoiceTest, ReadsEveryOverviewQuestionBack) {
  Rng rng(20261125);
  int kinds[3] = {};
  for (int i = 0; i < 2000; ++i) {
    const TaskOptions options = {
        .language = i % 2 == 0 ? "en" : "ko",
        .split = Split::kTest,
        .frames = i % 4 < 2 ? FrameSet::kTrain : FrameSet::kHeldOut};
    const Task task = OverviewTask(options, rng);
    const auto read = ReadChoiceQuestion(options.language, task.question);
    ASSERT_TRUE(read) << task.question;
    EXPECT_THAT(read->options, testing::Contains(task.answer)) << task.question;
    for (const std::string& option : read->options) {
      EXPECT_EQ(ChoiceScore(option, task.answer, read->options),
                option == task.answer ? 1 : 0)
          << task.question << " / " << option;
    }
    ++kinds[int(read->kind)];
  }
  for (const int kind : kinds) EXPECT_GT(kind, 300);
  EXPECT_FALSE(ReadChoiceQuestion("en", "What is the secret passkey?"));
}

}  // namespace
}  // namespace gist
