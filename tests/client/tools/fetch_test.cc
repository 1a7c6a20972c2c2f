#include "client/tools/fetch.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/tools/longbench.h"
#include "core/base/identity.h"
#include "core/scoring/longbench.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/data/python.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class FetchTest : public testing::Test {
 protected:
  FetchTest()
      : server_({"tests/client/data/http_server.py", folder_.path()}),
        port_(server_.ReadLine()) {
    std::ofstream(folder_ / "a.txt") << "the text";
  }
  std::string Url(const std::string& name) const {
    return "http://127.0.0.1:" + port_ + "/" + name;
  }
  absl::Status FetchFrom(const std::string& url, const FetchLimits& limits = {},
                         std::stop_token stop = {}) {
    return Fetch(url, out_, limits, std::move(stop));
  }
  // Nothing is left behind.
  void ExpectError(const absl::Status& status, absl::StatusCode code,
                   const std::string& text) {
    EXPECT_THAT(status, StatusIs(code, HasSubstr(text)));
    EXPECT_FALSE(fs::exists(out_)) << text;
  }

  TempDir folder_;
  Python server_;
  const std::string port_;
  const std::string out_ = folder_ / "out";
};

TEST_F(FetchTest, BringsAFile) {
  EXPECT_THAT(FetchFrom(Url("a.txt")), IsOk());
  EXPECT_EQ(Contents(out_), "the text");
}

TEST_F(FetchTest, FollowsRedirects) {
  EXPECT_THAT(FetchFrom(Url("redirect/a.txt")), IsOk());
  EXPECT_EQ(Contents(out_), "the text");
}

TEST_F(FetchTest, SaysWhatWentWrong) {
  ExpectError(FetchFrom(Url("none")), absl::StatusCode::kNotFound, "404");
  ExpectError(FetchFrom(Url("broken")), absl::StatusCode::kUnavailable, "503");
  ExpectError(FetchFrom(Url("short/a")), absl::StatusCode::kUnavailable,
              "/short/a");
  ExpectError(FetchFrom("http://127.0.0.1:1/a"), absl::StatusCode::kUnavailable,
              "try again");
  ExpectError(FetchFrom("file:///etc/passwd"),
              absl::StatusCode::kInvalidArgument, "http or https");
  ExpectError(FetchFrom(Url("a.txt"), {.max_bytes = 3}),
              absl::StatusCode::kResourceExhausted, "larger than the 3 bytes");
}

TEST_F(FetchTest, GivesUpASilentServer) {
  ExpectError(FetchFrom(Url("silent"), {.stall_seconds = 1}),
              absl::StatusCode::kUnavailable, "/silent");
}

TEST_F(FetchTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  ExpectError(FetchFrom(Url("silent"), {}, stop.get_token()),
              absl::StatusCode::kCancelled, "interrupted");
}

TEST_F(FetchTest, LeavesAFileThatIsThere) {
  std::ofstream(out_) << "mine";
  EXPECT_FALSE(FetchFrom(Url("a.txt")).ok());
  EXPECT_EQ(Contents(out_), "mine");
}

class FetchLongBenchTest : public FetchTest {
 protected:
  FetchLongBenchTest() {
    MakeZip(
        folder_ / "data.zip",
        {"data/mixed.jsonl", Contents("tests/data/longbench/sample.jsonl")});
    arguments_.url = Url("data.zip");
    arguments_.sha256 = Sha256Hex(Contents(folder_ / "data.zip"));
    arguments_.out = folder_ / "longbench";
  }
  absl::Status Run() { return RunLongBench(arguments_, {}); }
  bool Unpacked() const {
    return fs::exists(arguments_.out + "/data/mixed.jsonl");
  }

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
