// The frames that are shipped: their number, their form, and that held-out ones
// share no wording with those that are trained on.
#include "core/data/frames.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/data/overview_frames.h"
#include "core/data/template.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kLanguages[] = {"en", "ko"};
constexpr FrameSet kSets[] = {FrameSet::kTrain, FrameSet::kHeldOut};
constexpr size_t kLeastTrain = 30;
constexpr size_t kLeastHeldOut = 10;

size_t Least(FrameSet set) {
  return set == FrameSet::kTrain ? kLeastTrain : kLeastHeldOut;
}

std::vector<Frame> FactFrames(std::string_view language, FrameSet set) {
  std::vector<Frame> frames;
  for (const auto& family :
       {PasskeyFrames(language, set), KeyedFrames(language, set)}) {
    frames.insert(frames.end(), family.begin(), family.end());
  }
  return frames;
}

// All sentences and questions of a set, marks left in.
std::vector<std::string> Wordings(std::string_view language, FrameSet set) {
  std::vector<std::string> wordings;
  for (const Frame& frame : FactFrames(language, set)) {
    wordings.emplace_back(frame.needle);
    wordings.insert(wordings.end(), frame.questions.begin(),
                    frame.questions.end());
  }
  for (const OverviewFrame& frame : OverviewFrames(language, set)) {
    wordings.insert(wordings.end(), frame.sentences.begin(),
                    frame.sentences.end());
    wordings.insert(wordings.end(), frame.questions.begin(),
                    frame.questions.end());
  }
  std::erase(wordings, "");
  return wordings;
}

TEST(FramesTest, AreAtLeastThirtyToTrainOnAndTenHeldOut) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      EXPECT_GE(PasskeyFrames(language, set).size(), Least(set)) << language;
      EXPECT_GE(KeyedFrames(language, set).size(), Least(set)) << language;
      EXPECT_GE(OverviewFrames(language, set).size(), Least(set)) << language;
    }
  }
}

TEST(FramesTest, BeginWithTheMissionsOwn) {
  const Frame& english = PasskeyFrames("en", FrameSet::kTrain)[0];
  EXPECT_EQ(english.needle, "The secret passkey is {}.");
  EXPECT_EQ(english.questions[0], "What is the secret passkey?");
  EXPECT_EQ(english.questions[1], "");
  const Frame& korean = PasskeyFrames("ko", FrameSet::kTrain)[0];
  EXPECT_EQ(korean.needle, "비밀 패스키는 {}입니다.");
  EXPECT_EQ(korean.questions[0], "텍스트에서 언급된 비밀 패스키는 무엇인가요?");
  EXPECT_EQ(korean.questions[1], "");
}

TEST(FramesTest, ShareNoNeedleBetweenTrainAndHeldOut) {
  for (const auto language : kLanguages) {
    const auto train = Wordings(language, FrameSet::kTrain);
    const std::set<std::string> known(train.begin(), train.end());
    for (const auto& wording : Wordings(language, FrameSet::kHeldOut)) {
      EXPECT_EQ(known.count(wording), 0u) << wording;
    }
  }
}

TEST(FramesTest, TellTheValueInTheNeedleAndNotInTheQuestion) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      for (const Frame& frame : FactFrames(language, set)) {
        EXPECT_THAT(std::string(frame.needle), HasSubstr("{}"));
        EXPECT_NE(frame.questions[0], "") << frame.needle;
        for (const auto question : frame.questions) {
          EXPECT_THAT(std::string(question), Not(HasSubstr("{}")));
        }
      }
    }
  }
}

TEST(FramesTest, NameTheKeyInNeedleAndQuestion) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      for (const Frame& frame : KeyedFrames(language, set)) {
        EXPECT_THAT(std::string(frame.needle), HasSubstr("{k}"));
        EXPECT_NE(frame.attribute, "") << frame.needle;
        for (const auto question : frame.questions) {
          if (question.empty()) continue;
          EXPECT_THAT(std::string(question), HasSubstr("{k}"));
        }
      }
    }
  }
}

TEST(FramesTest, GiveAllOptionsInOverviewQuestions) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      for (const OverviewFrame& frame : OverviewFrames(language, set)) {
        for (const auto sentence : frame.sentences) {
          EXPECT_THAT(std::string(sentence), HasSubstr("{k}"));
        }
        for (const auto question : frame.questions) {
          for (const char* mark : {"{k}", "{o}", "{t}"}) {
            EXPECT_THAT(std::string(question), HasSubstr(mark));
          }
        }
      }
    }
  }
}

// Two templates of one kind make four to six different sentences of a theme.
TEST(FramesTest, HoldEnoughSentencesOfEachOverviewKind) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      std::map<OverviewKind, int> frames;
      for (const auto& frame : OverviewFrames(language, set)) {
        ++frames[frame.kind];
      }
      for (const auto& [kind, count] : frames) EXPECT_GE(count, 4);
      EXPECT_EQ(frames.size(), 3u);
    }
  }
}

TEST(FramesTest, EndAsSentencesAndLeaveNoMarkUnfilled) {
  for (const auto language : kLanguages) {
    for (const FrameSet set : kSets) {
      for (const std::string& wording : Wordings(language, set)) {
        EXPECT_TRUE(wording.ends_with('.') || wording.ends_with('?'))
            << wording;
        const std::string filled = Fill(
            wording, {.value = "A", .key = "B", .other = "C", .third = "D"});
        EXPECT_EQ(filled.find_first_of("{}"), filled.npos) << filled;
        EXPECT_EQ(filled.find("  "), filled.npos) << filled;
      }
    }
  }
}

TEST(FramesTest, RepeatNoNeedle) {
  for (const auto language : kLanguages) {
    std::set<std::string_view> needles;
    for (const FrameSet set : kSets) {
      for (const Frame& frame : FactFrames(language, set)) {
        EXPECT_TRUE(needles.insert(frame.needle).second) << frame.needle;
      }
    }
  }
}

}  // namespace
}  // namespace gist
