#include "core/hub/fetch.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/python.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class FetchTest : public testing::Test {
 protected:
  FetchTest()
      : server_({"tests/support/http_server.py", folder_.path()}),
        port_(server_.ReadLine()) {
    std::ofstream(folder_ / "a.txt") << "the text";
  }
  std::string Url(const std::string& name) const {
    return "http://127.0.0.1:" + port_ + "/" + name;
  }
  absl::Status FetchFrom(const std::string& url, const FetchLimits& limits = {},
                         std::stop_token stop = {}) {
    return Fetch(
        url, out_, limits,
        [this](int64_t done, int64_t) { told_ = std::max(told_, done); },
        std::move(stop));
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
  int64_t told_ = 0;
  const std::string out_ = folder_ / "out";
};

TEST_F(FetchTest, BringsAFile) {
  EXPECT_THAT(FetchFrom(Url("a.txt")), IsOk());
  EXPECT_EQ(ReadFile(out_), "the text");
  EXPECT_EQ(told_, 8);
}

TEST_F(FetchTest, FollowsRedirects) {
  EXPECT_THAT(FetchFrom(Url("redirect/a.txt")), IsOk());
  EXPECT_EQ(ReadFile(out_), "the text");
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
  EXPECT_EQ(ReadFile(out_), "mine");
}

}  // namespace
}  // namespace gist
