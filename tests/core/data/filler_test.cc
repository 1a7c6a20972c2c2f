#include "core/data/filler.h"

#include <fstream>
#include <map>
#include <string>

#include "core/data/passages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Split kSplits[] = {Split::kTrain, Split::kDev, Split::kTest};

void ExpectDisjoint(const FillerPool& pool) {
  std::map<std::string, Split> owner;
  for (const auto language : {"en", "ko"}) {
    for (const Split split : kSplits) {
      for (const FillerText& passage : pool.Passages(language, split)) {
        for (const std::string& sentence : passage.sentences) {
          EXPECT_TRUE(owner.emplace(sentence, split).second) << sentence;
        }
      }
    }
  }
}

TEST(FillerTest, SampleHasTextForEverySplitAndSharesNone) {
  const auto pool = FillerPool::Sample();
  for (const auto language : {"en", "ko"}) {
    for (const Split split : kSplits) {
      EXPECT_TRUE(pool->Has(language, split)) << language << Name(split);
    }
  }
  ExpectDisjoint(*pool);
}

TEST(FillerTest, SampleSaysNothingThatQuestionsAskFor) {
  const auto pool = FillerPool::Sample();
  for (const auto language : {"en", "ko"}) {
    for (const Split split : kSplits) {
      for (const FillerText& passage : pool->Passages(language, split)) {
        for (const std::string& sentence : passage.sentences) {
          EXPECT_THAT(sentence, Not(HasSubstr("passkey")));
          EXPECT_THAT(sentence, Not(HasSubstr("패스키")));
        }
      }
    }
  }
}

class FillerFilesTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  absl::StatusOr<std::shared_ptr<const FillerPool>> Load(
      const std::string& path) {
    const std::vector<std::string> paths = {path};
    return FillerPool::Load(paths);
  }

  TempDir folder_;
};

// Sentences that repeat from file to file, as licence notes do.
TEST_F(FillerFilesTest, KeepsEqualSentencesOnce) {
  for (int i = 0; i < 60; ++i) {
    std::string text = "This sentence stands in every single file.\n\n";
    for (int j = 0; j < 3; ++j) {
      text += "Somebody has written a line with the word " +
              std::string(size_t(i) + 1, char('a' + j)) + " in it.\n\n";
    }
    Write(std::to_string(i) + ".txt", text);
  }
  const auto pool = Load(folder_.path());
  ASSERT_THAT(pool, IsOk());
  ExpectDisjoint(**pool);
  size_t sentences = 0;
  for (const Split split : kSplits) {
    EXPECT_TRUE((*pool)->Has("en", split));
    for (const auto& passage : (*pool)->Passages("en", split)) {
      sentences += passage.sentences.size();
    }
  }
  EXPECT_EQ(sentences, 60u * 3 + 1);
}

TEST_F(FillerFilesTest, DrawsWhatReadsOnAndNamesIt) {
  Write("a.txt", "The first sentence is here. The second sentence is there.");
  const auto pool = Load(folder_ / "a.txt");
  ASSERT_THAT(pool, IsOk());
  for (const Split split : kSplits) {
    if (!(*pool)->Has("en", split)) continue;
    Rng rng(1);
    const FillerText drawn = (*pool)->Draw("en", split, 200, rng);
    EXPECT_EQ(drawn.name, "a.txt");
    size_t bytes = 0;
    for (size_t i = 0; i < drawn.sentences.size(); ++i) {
      bytes += drawn.sentences[i].size() + 1;
      if (i > 0) {
        EXPECT_NE(drawn.sentences[i], drawn.sentences[i - 1]);
      }
    }
    EXPECT_GE(bytes, 200u);
  }
}

TEST_F(FillerFilesTest, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(Load(folder_ / "none").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  Write("code.txt", "x = 1;\n");
  EXPECT_THAT(Load(folder_ / "code.txt").status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no new sentence")));
}

TEST(FillerTest, KnowsTheSampleByName) {
  const std::vector<std::string> paths = {"sample"};
  const auto pool = FillerPool::Load(paths);
  ASSERT_THAT(pool, IsOk());
  const auto sample = FillerPool::Sample();
  for (const auto language : {"en", "ko"}) {
    EXPECT_EQ((*pool)->Passages(language, Split::kTest).size(),
              sample->Passages(language, Split::kTest).size());
  }
}

TEST_F(FillerFilesTest, TellsHowFarItIsAndStops) {
  Write("a.txt", "The first sentence is here. The second sentence is there.");
  Write("b.txt", "Another sentence stands in the other file of the two.");
  const std::vector<std::string> paths = {folder_.path()};
  std::vector<std::pair<int64_t, int64_t>> told;
  ASSERT_THAT(FillerPool::Load(paths,
                               [&](int64_t done, int64_t total) {
                                 told.emplace_back(done, total);
                                 return true;
                               }),
              IsOk());
  EXPECT_THAT(told, testing::ElementsAre(testing::Pair(0, 110),
                                         testing::Pair(57, 110)));
  EXPECT_THAT(
      FillerPool::Load(paths, [](int64_t, int64_t) { return false; }).status(),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("interrupted")));
}

TEST(FillerTest, NamesThePackagesThatAreMissing) {
  for (const std::string& package : MissingDebianFillers()) {
    EXPECT_FALSE(std::ifstream("/usr/share/doc/" + package + "/copyright"));
    EXPECT_THAT(InstallDebianFillers(), HasSubstr(" " + package));
  }
}

}  // namespace
}  // namespace gist
