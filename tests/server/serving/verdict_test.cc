#include "server/serving/verdict.h"

#include "core/data/niah_tasks.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

TEST(VerdictTest, TheAnswersThatAdaptersLearnAreRefusals) {
  EXPECT_TRUE(IsAbsentAnswer(NotMentioned("en")));
  EXPECT_TRUE(IsAbsentAnswer(NotMentioned("ko")));
}

TEST(VerdictTest, CasePunctuationAndWhiteSpaceDoNotCount) {
  for (const char* answer :
       {"Not mentioned", "not mentioned.", " \n Not mentioned.\n",
        "\"Not mentioned.\"", "Not  mentioned!",
        "Not mentioned. The text is about harbours.",
        "언급되지 않았습니다", "언급되지 않았습니다.\n다른 말."}) {
    EXPECT_TRUE(IsAbsentAnswer(answer)) << answer;
  }
}

TEST(VerdictTest, OtherAnswersAreNone) {
  for (const char* answer :
       {"", " ", ".", "ABC123", "There is no fee.", "Not mentioned anywhere",
        "The key is not mentioned.", "Mentioned.", "없습니다.",
        "ABC123. Not mentioned."}) {
    EXPECT_FALSE(IsAbsentAnswer(answer)) << answer;
  }
}

}  // namespace
}  // namespace gist
