#include "core/data/niah_source.h"

#include <map>
#include <set>

#include "core/data/niah_tasks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kDraws = 300;

std::shared_ptr<const NiahSource> Source(NiahOptions options) {
  auto source = NiahSource::Create(std::move(options), nullptr);
  EXPECT_THAT(source, IsOk());
  return *source;
}

NiahOptions Only(const std::string& family) {
  NiahOptions options;
  options.families = {{family, 1}};
  return options;
}

NiahOptions Everything() {
  NiahOptions options;
  options.families = {
      {"passkey", 1}, {"keyed", 1}, {"absent", 1}, {"overview", 1}};
  return options;
}

std::vector<TaskSet> Draw(const NiahSource& source, uint64_t seed) {
  Rng rng(seed);
  std::vector<TaskSet> sets;
  for (int i = 0; i < kDraws; ++i) sets.push_back(source.NextTasks(rng));
  return sets;
}

std::string Shown(const TaskSet& set) {
  std::string text = set.language;
  for (const Task& task : set.tasks) {
    text += "|" + task.frame + task.question + task.answer;
    for (const std::string& needle : task.needles) text += needle;
  }
  return text;
}

TEST(NiahSourceTest, RepeatsItselfForASeed) {
  const auto source = Source(Everything());
  const auto one = Draw(*source, 7), again = Draw(*source, 7);
  const auto other = Draw(*source, 8);
  int different = 0;
  for (int i = 0; i < kDraws; ++i) {
    EXPECT_EQ(Shown(one[i]), Shown(again[i]));
    different += Shown(one[i]) != Shown(other[i]);
  }
  EXPECT_GT(different, kDraws / 2);
}

TEST(NiahSourceTest, AnswersStandInNeedlesAndNotInQuestions) {
  for (const FrameSet frames : {FrameSet::kTrain, FrameSet::kHeldOut}) {
    NiahOptions options = Everything();
    options.frames = frames;
    for (const TaskSet& set : Draw(*Source(options), 1)) {
      for (const Task& task : set.tasks) {
        EXPECT_THAT(task.question, Not(HasSubstr("{")));
        if (task.family == "absent") continue;
        ASSERT_FALSE(task.needles.empty());
        if (task.family != "overview") {
          EXPECT_THAT(task.needles, SizeIs(1));
          EXPECT_THAT(task.needles[0], HasSubstr(task.answer));
          EXPECT_THAT(task.question, Not(HasSubstr(task.answer)));
        }
        for (const std::string& needle : task.needles) {
          EXPECT_THAT(needle, Not(HasSubstr("{")));
        }
      }
    }
  }
}

TEST(NiahSourceTest, KeyedFactsContradictNoOther) {
  for (const TaskSet& set : Draw(*Source(Only("keyed")), 2)) {
    EXPECT_GE(set.tasks.size(), 1u);
    EXPECT_LE(set.tasks.size(), 8u);
    std::map<std::string, std::string> answers;
    for (const Task& task : set.tasks) {
      const auto [at, is_new] = answers.emplace(task.question, task.answer);
      EXPECT_TRUE(is_new) << task.question;
    }
  }
}

TEST(NiahSourceTest, AbsentFactsAreNotMentioned) {
  for (const TaskSet& set : Draw(*Source(Only("absent")), 3)) {
    const Task& absent = set.tasks[0];
    EXPECT_EQ(absent.family, "absent");
    EXPECT_THAT(absent.needles, IsEmpty());
    EXPECT_EQ(absent.answer,
              set.language == "ko" ? "언급되지 않았습니다." : "Not mentioned.");
    EXPECT_LE(set.tasks.size(), 5u);
    for (size_t i = 1; i < set.tasks.size(); ++i) {
      EXPECT_EQ(set.tasks[i].family, "keyed");
      EXPECT_NE(set.tasks[i].question, absent.question);
    }
  }
}

TEST(NiahSourceTest, OverviewAnswersAreTheRightOption) {
  for (const TaskSet& set : Draw(*Source(Only("overview")), 4)) {
    const Task& task = set.tasks[0];
    EXPECT_THAT(task.question, HasSubstr(task.answer));
    size_t about = 0;
    for (const std::string& needle : task.needles) {
      about += needle.find(task.answer) != needle.npos;
    }
    if (task.needles.size() == 3) {  // order: the first that is told
      EXPECT_THAT(task.needles[0], HasSubstr(task.answer));
    } else {
      EXPECT_GE(about, 3u);
      EXPECT_EQ(task.needles.size(), about + 2);
    }
    const std::set<std::string> different(task.needles.begin(),
                                          task.needles.end());
    EXPECT_EQ(different.size(), task.needles.size());
  }
}

TEST(NiahSourceTest, SharesNoValueFrameOrFillerBetweenSplits) {
  std::map<std::string, Split> values;
  std::map<std::string, Split> sentences;
  for (const Split split : {Split::kTrain, Split::kDev, Split::kTest}) {
    NiahOptions options = Everything();
    options.split = split;
    options.frames =
        split == Split::kTest ? FrameSet::kHeldOut : FrameSet::kTrain;
    const auto source = Source(options);
    for (const TaskSet& set : Draw(*source, 5)) {
      for (const Task& task : set.tasks) {
        if (task.family == "absent") continue;
        EXPECT_EQ(values.emplace(task.answer, split).first->second, split);
        EXPECT_EQ(task.frame.find("held-out") != task.frame.npos,
                  split == Split::kTest);
      }
      Rng rng(6);
      for (const auto& sentence : source->Filler(set.language, 3000, rng)) {
        EXPECT_EQ(sentences.emplace(sentence, split).first->second, split);
      }
    }
  }
}

TEST(NiahSourceTest, GivesTheMissionsFrameItsShare) {
  NiahOptions options;
  options.mission_frame_share = 1;
  for (const TaskSet& set : Draw(*Source(options), 6)) {
    EXPECT_THAT(set.tasks[0].question,
                AnyOf("What is the secret passkey?",
                      "텍스트에서 언급된 비밀 패스키는 무엇인가요?"));
  }
}

TEST(NiahSourceTest, FollowsWeights) {
  NiahOptions options = Everything();
  options.languages = {{"en", 1}, {"ko", 0}};
  options.families = {{"passkey", 0}, {"keyed", 3}, {"overview", 1}};
  std::map<std::string, int> families;
  for (const TaskSet& set : Draw(*Source(options), 7)) {
    EXPECT_EQ(set.language, "en");
    ++families[set.tasks[0].family];
  }
  EXPECT_EQ(families.count("passkey"), 0u);
  EXPECT_NEAR(families["keyed"], kDraws * 0.75, 30);
}

TEST(NiahSourceTest, RefusesOptionsThatMakeNoSense) {
  const auto refused = [](NiahOptions options) {
    return NiahSource::Create(std::move(options), nullptr).status();
  };
  const auto invalid = [](const char* text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(refused(Only("riddle")), invalid("riddle"));
  NiahOptions options;
  options.languages = {{"fr", 1}};
  EXPECT_THAT(refused(options), invalid("\"fr\" is not known; there are en"));
  options.languages = {{"en", 0}};
  EXPECT_THAT(refused(options), invalid("positive weight"));
  options = Only("keyed");
  options.max_facts = 0;
  EXPECT_THAT(refused(options), invalid("facts 1 to 0"));
  for (const char* part : {"", "AB1", "ABCD", "OI"}) {
    options = Only("passkey");
    options.code_parts = {"AB", part};
    EXPECT_THAT(refused(options), invalid("code part")) << part;
  }
}

}  // namespace
}  // namespace gist
