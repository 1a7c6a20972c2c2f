#include "client/tools/unzip.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/data/make_zip.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class UnzipTest : public testing::Test {
 protected:
  UnzipTest() { fs::create_directory(out_); }

  absl::Status UnzipOf(std::vector<std::string> entries,
                       const UnzipLimits& limits = {}) {
    MakeZip(zip_, std::move(entries));
    return Unzip(zip_, out_, limits).status();
  }
  // Files and folders below the output folder that are no folders.
  int FilesLeft() {
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(out_)) {
      files += !entry.is_directory();
    }
    return files;
  }

  TempDir folder_;
  const std::string zip_ = folder_ / "a.zip";
  const std::string out_ = folder_ / "out";
};

TEST_F(UnzipTest, UnpacksFilesInFolders) {
  MakeZip(zip_, {"data/", "", "data/a.jsonl", "one", "b.txt", "two"});
  const auto files = Unzip(zip_, out_, {});
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre(out_ + "/data/a.jsonl", out_ + "/b.txt"));
  EXPECT_EQ(ReadFile(out_ + "/data/a.jsonl"), "one");
}

TEST_F(UnzipTest, RefusesPathsThatLeaveTheFolder) {
  for (const char* name :
       {"../evil.txt", "a/../../evil.txt", "/tmp/evil.txt"}) {
    EXPECT_THAT(UnzipOf({"fine.txt", "x", name, "y"}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("evil")))
        << name;
    EXPECT_EQ(FilesLeft(), 0);
    EXPECT_FALSE(fs::exists(folder_ / "evil.txt"));
  }
}

TEST_F(UnzipTest, RefusesLinks) {
  EXPECT_THAT(
      UnzipOf({"a", "link:/etc"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no plain file")));
  EXPECT_EQ(FilesLeft(), 0);
}

TEST_F(UnzipTest, DoesNotWriteThroughALinkThatIsThere) {
  const std::string target = folder_ / "target";
  ASSERT_EQ(symlink(target.c_str(), (out_ + "/a").c_str()), 0);
  EXPECT_FALSE(UnzipOf({"a", "x"}).ok());
  EXPECT_FALSE(fs::exists(target));
}

TEST_F(UnzipTest, StopsAtItsLimits) {
  EXPECT_THAT(UnzipOf({"a", "zeros:5000000"}, {.max_bytes = 1'000'000}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("more than 1000000 bytes")));
  EXPECT_THAT(UnzipOf({"a", "1", "b", "2"}, {.max_files = 1}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("more than 1 files")));
  EXPECT_EQ(FilesLeft(), 0);
}

TEST_F(UnzipTest, KeepsAFileThatIsThere) {
  std::ofstream(out_ + "/a") << "mine";
  EXPECT_THAT(UnzipOf({"a", "x"}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("/a")));
  EXPECT_EQ(ReadFile(out_ + "/a"), "mine");
}

TEST_F(UnzipTest, FindsEveryTruncation) {
  MakeZip(zip_, {"a.txt", "some text", "b.txt", "more of it"});
  const std::string whole = ReadFile(zip_);
  for (size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(zip_, std::ios::binary) << whole.substr(0, size);
    EXPECT_FALSE(Unzip(zip_, out_, {}).ok()) << size;
    EXPECT_EQ(FilesLeft(), 0) << size;
  }
}

TEST_F(UnzipTest, SaysThatAFileIsNoZip) {
  std::ofstream(zip_) << "<html>Not what you wanted</html>";
  EXPECT_THAT(Unzip(zip_, out_, {}).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a.zip")));
}

}  // namespace
}  // namespace gist::client
