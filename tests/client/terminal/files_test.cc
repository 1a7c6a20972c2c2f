#include "client/terminal/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::HasSubstr;

void Fill(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

size_t FilesIn(const TempDir& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return size_t(std::distance(begin(files), end(files)));
}

class FilesTest : public testing::Test {
 protected:
  TempDir folder_;
  const std::string path_ = folder_ / "a.gist";
};

TEST_F(FilesTest, ReadsAFileWholeAndKnowsItsSize) {
  const std::string text(700'001, 'x');
  Fill(path_, text);
  auto file = InputFile::Open(path_, {});
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->size_bytes(), 700'001);
  std::string all;
  while (true) {
    const auto bytes = file->Read();
    ASSERT_THAT(bytes, IsOk());
    if (bytes->empty()) break;
    all += *bytes;
  }
  EXPECT_TRUE(all == text);
}

TEST_F(FilesTest, NamesTheFileThatCannotBeRead) {
  const auto missing = InputFile::Open(path_, {});
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound, HasSubstr(path_)));
  EXPECT_TRUE(IsLocal(missing.status()));
  auto folder = InputFile::Open(folder_.path(), {});
  ASSERT_THAT(folder, IsOk());
  const auto bytes = folder->Read();
  EXPECT_THAT(bytes.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("Is a directory")));
  EXPECT_TRUE(IsLocal(bytes.status()));
}

TEST_F(FilesTest, StopsReadingFromASilentPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::stop_source stop;
  auto file =
      InputFile::Open("/dev/fd/" + std::to_string(ends[0]), stop.get_token());
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->size_bytes(), std::nullopt);
  stop.request_stop();
  EXPECT_THAT(file->Read(), StatusIs(absl::StatusCode::kCancelled, testing::_));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(FilesTest, ShowsAFileOnlyOnceItIsWhole) {
  auto file = OutputFile::Create(path_, false);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Write("half"), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_THAT(file->Write(" and half"), IsOk());
  ASSERT_THAT(file->Commit(), IsOk());
  EXPECT_EQ(ReadFile(path_), "half and half");
  EXPECT_EQ(FilesIn(folder_), 1u);
}

TEST_F(FilesTest, LeavesNothingBehindWithoutCommit) {
  {
    auto file = OutputFile::Create(path_, false);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Write("half"), IsOk());
  }
  EXPECT_EQ(FilesIn(folder_), 0u);
}

TEST_F(FilesTest, KeepsAnExistingFileUnlessForced) {
  Fill(path_, "old");
  const auto refused = OutputFile::Create(path_, false);
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--force")));
  EXPECT_TRUE(IsLocal(refused.status()));
  auto file = OutputFile::Create(path_, true);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Write("new"), IsOk());
  EXPECT_EQ(ReadFile(path_), "old");
  ASSERT_THAT(file->Commit(), IsOk());
  EXPECT_EQ(ReadFile(path_), "new");
}

TEST_F(FilesTest, KeepsAFileThatAppearedInTheMeantime) {
  auto file = OutputFile::Create(path_, false);
  ASSERT_THAT(file, IsOk());
  Fill(path_, "somebody else's");
  const absl::Status committed = file->Commit();
  EXPECT_THAT(committed,
              StatusIs(absl::StatusCode::kAlreadyExists, testing::_));
  EXPECT_TRUE(IsLocal(committed));
  EXPECT_EQ(ReadFile(path_), "somebody else's");
}

TEST_F(FilesTest, GivesAFileTheUsersMode) {
  const mode_t before = umask(027);
  auto file = OutputFile::Create(path_, false);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Commit(), IsOk());
  EXPECT_EQ(umask(before), mode_t{027});
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, mode_t{0640});
}

TEST_F(FilesTest, NamesTheFolderThatIsMissing) {
  const std::string path = folder_ / "no/such/a.gist";
  const auto file = OutputFile::Create(path, false);
  EXPECT_THAT(file, StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
  EXPECT_TRUE(IsLocal(file.status()));
}

TEST_F(FilesTest, TakesNoOtherErrorForALocalOne) {
  EXPECT_FALSE(IsLocal(absl::NotFoundError("no context")));
  EXPECT_FALSE(IsLocal(absl::OkStatus()));
}

}  // namespace
}  // namespace gist::client
