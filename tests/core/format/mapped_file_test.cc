#include "core/format/mapped_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "core/base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;

// A path where nothing lies; another one at each call.
std::string FreshPath() {
  static const TempDir folder;
  static int files = 0;
  return folder / fmt::format("file{}", files++);
}

std::string FileWith(const std::string& bytes) {
  const std::string path = FreshPath();
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(MappedFileTest, ShowsTheBytesOfTheFile) {
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(i * 7 + i / 256);
  const auto file = MappedFile::Open(FileWith(bytes));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->bytes() == bytes);
}

TEST(MappedFileTest, MovesKeepTheBytesWhereTheyAre) {
  auto first = MappedFile::Open(FileWith("first"));
  ASSERT_TRUE(first.ok());
  const std::string_view bytes = first->bytes();
  MappedFile moved(*std::move(first));
  EXPECT_EQ(moved.bytes().data(), bytes.data());
  EXPECT_TRUE(first->bytes().empty());
  auto second = MappedFile::Open(FileWith("second"));
  ASSERT_TRUE(second.ok());
  *second = std::move(moved);
  EXPECT_EQ(second->bytes(), "first");
}

TEST(MappedFileTest, NamesAMissingFile) {
  const std::string path = FreshPath();
  const auto file = MappedFile::Open(path);
  EXPECT_TRUE(absl::IsNotFound(file.status())) << file.status();
  EXPECT_THAT(file.status().ToString(), HasSubstr(path));
  const auto below = MappedFile::Open(FileWith("x") + "/below");
  EXPECT_TRUE(absl::IsNotFound(below.status())) << below.status();
}

TEST(MappedFileTest, RefusesWhatIsNoFileWithBytes) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(MappedFile::Open(testing::TempDir()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MappedFile::Open(FileWith("")).status()));
}

TEST(MappedFileTest, RefusesAPipeInsteadOfWaitingForIt) {
  const std::string path = FreshPath();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(MappedFile::Open(path).status()));
}

TEST(MappedFileTest, SaysWhenTheFileMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const std::string path = FileWith("secret");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(MappedFile::Open(path).status()));
}

}  // namespace
}  // namespace gist
