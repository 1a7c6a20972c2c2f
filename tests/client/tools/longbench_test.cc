#include "client/tools/longbench.h"

#include <filesystem>

#include "core/base/identity.h"
#include "core/scoring/longbench.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/data/make_zip.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class FetchLongBenchTest : public testing::Test {
 protected:
  FetchLongBenchTest()
      : server_({"tests/support/http_server.py", folder_.path()}),
        port_(server_.ReadLine()) {
    MakeZip(
        folder_ / "data.zip",
        {"data/mixed.jsonl", ReadFile("tests/data/longbench/sample.jsonl")});
    arguments_.url = Url("data.zip");
    arguments_.sha256 = Sha256Hex(ReadFile(folder_ / "data.zip"));
    arguments_.out = folder_ / "longbench";
  }
  std::string Url(const std::string& name) const {
    return "http://127.0.0.1:" + port_ + "/" + name;
  }
  absl::Status Run() { return RunLongBench(arguments_, {}); }
  bool Unpacked() const {
    return fs::exists(arguments_.out + "/data/mixed.jsonl");
  }

  TempDir folder_;
  Python server_;
  const std::string port_;
  LongBenchArguments arguments_;
};

TEST_F(FetchLongBenchTest, UnpacksWhatHasTheRightDigest) {
  ASSERT_THAT(Run(), IsOk());
  const auto records = ReadLongBench(arguments_.out + "/data/mixed.jsonl");
  ASSERT_THAT(records, IsOk());
  EXPECT_EQ(records->size(), 7u);
  EXPECT_FALSE(fs::exists(arguments_.out + "/download.zip.part"));
}

TEST_F(FetchLongBenchTest, UnpacksAFileThatIsHere) {
  arguments_.url.clear();
  arguments_.file = folder_ / "data.zip";
  arguments_.sha256.clear();
  ASSERT_THAT(Run(), IsOk());
  EXPECT_TRUE(Unpacked());
  EXPECT_TRUE(fs::exists(folder_ / "data.zip"));
}

TEST_F(FetchLongBenchTest, UnpacksNothingOfAnotherDigest) {
  arguments_.sha256 = std::string(64, 'A');
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("nothing was unpacked")));
  EXPECT_FALSE(Unpacked());
  EXPECT_FALSE(fs::exists(arguments_.out + "/download.zip.part"));
  arguments_.sha256 = "abc";
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("64 hex digits")));
}

TEST_F(FetchLongBenchTest, SaysThatAZipHoldsSomethingElse) {
  MakeZip(folder_ / "other.zip", {"a.jsonl", "{\"x\": 1}"});
  arguments_.url = Url("other.zip");
  arguments_.sha256.clear();
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("a.jsonl:1: no \"input\"")));
  MakeZip(folder_ / "text.zip", {"a.txt", "hello"});
  arguments_.url = Url("text.zip");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("no .jsonl file")));
}

}  // namespace
}  // namespace gist::client
