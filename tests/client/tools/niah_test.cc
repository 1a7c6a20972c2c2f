#include "client/tools/niah.h"

#include <filesystem>
#include <fstream>

#include "core/data/record_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Bytes are tokens in the tiny model, but for some merges.
NiahArguments Arguments(const std::string& out) {
  NiahArguments arguments;
  arguments.model = "tests/data/tiny/tiny.q4_0.gguf";
  arguments.count = 6;
  arguments.file.min_tokens = 1000;
  arguments.file.max_tokens = 2000;
  arguments.out = out;
  return arguments;
}

TEST(NiahTest, WritesAFileForEachLanguageByTheModelsTokens) {
  const TempDir folder;
  ASSERT_THAT(RunNiah(Arguments(folder / "new"), {}), IsOk());
  for (const char* name : {"global_niah.jsonl", "korean_niah.jsonl"}) {
    const auto records = ReadRecords(folder / "new/" + name);
    ASSERT_THAT(records, IsOk());
    ASSERT_THAT(*records, SizeIs(6));
    for (const Record& record : *records) {
      EXPECT_LE(record.tokens, 2000);
      EXPECT_EQ(record.language, name[0] == 'k' ? "ko" : "en");
      EXPECT_THAT(record.context, HasSubstr(record.needle));
      EXPECT_EQ(record.question,
                name[0] == 'k' ? "텍스트에서 언급된 비밀 패스키는 무엇인가요?"
                               : "What is the secret passkey?");
    }
  }
}

TEST(NiahTest, ReplacesNoFileUnlessForced) {
  const TempDir folder;
  NiahArguments arguments = Arguments(folder.path());
  ASSERT_THAT(RunNiah(arguments, {}), IsOk());
  EXPECT_THAT(RunNiah(arguments, {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--force")));
  arguments.overwrite = true;
  EXPECT_THAT(RunNiah(arguments, {}), IsOk());
}

TEST(NiahTest, LeavesNoFileBehindWhenStopped) {
  const TempDir folder;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(RunNiah(Arguments(folder.path()), stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  EXPECT_FALSE(std::ifstream(folder / "global_niah.jsonl"));
}

TEST(NiahTest, ReadsDepths) {
  const auto depths = ParseDepths({"50", "20-80", "fifths"});
  ASSERT_THAT(depths, IsOk());
  ASSERT_THAT(*depths, SizeIs(7));
  EXPECT_EQ((*depths)[0].low, 0.5);
  EXPECT_EQ((*depths)[0].high, 0.5);
  EXPECT_EQ((*depths)[1].high, 0.8);
  EXPECT_EQ((*depths)[6].high, 1);
  for (const char* wrong : {"x", "20-", "-5", "", "1-2-3"}) {
    EXPECT_THAT(ParseDepths({wrong}).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("a percentage, a range")))
        << wrong;
  }
}

// A filler without Korean: the English file is not written either.
TEST(NiahTest, WritesNothingWhenALanguageHasNoFiller) {
  const TempDir folder;
  std::ofstream(folder / "en.txt")
      << "The first sentence of the text is in plain English prose.";
  NiahArguments arguments = Arguments(folder / "out");
  arguments.filler = {folder / "en.txt"};
  arguments.languages = {"en", "ko"};
  EXPECT_THAT(RunNiah(arguments, {}).message(), HasSubstr("no text in"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(NiahTest, NamesAModelThatIsNotThere) {
  NiahArguments arguments = Arguments("/tmp");
  arguments.model = "/nowhere/model.gguf";
  EXPECT_THAT(RunNiah(arguments, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("model.gguf")));
}

}  // namespace
}  // namespace gist::client
