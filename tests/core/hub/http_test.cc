#include "core/hub/http.h"

#include <fstream>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/python.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

class HttpTest : public testing::Test {
 protected:
  HttpTest()
      : server_({"tests/support/http_server.py", folder_.path()}),
        port_(server_.ReadLine()) {
    std::ofstream(folder_ / "a.txt") << "the text";
  }
  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + port_ + "/" + path;
  }
  absl::StatusOr<HttpReply> Ask(const std::string& path,
                                const HttpSink& sink = {},
                                int kept_seconds = 60) {
    return PerformHttp({.url = Url(path),
                        .token = {},
                        .if_range = {},
                        .stall_seconds = 1,
                        .kept_seconds = kept_seconds},
                       sink);
  }
  // Calls that a server holds: all at a time, since each takes a second.
  void Start(std::function<void()> call) { calls_.emplace_back(call); }
  void ExpectAllEndWithin(double seconds) {
    const auto begun = Clock::now();
    calls_.clear();
    EXPECT_LT(SecondsSince(begun), seconds);
  }

  TempDir folder_;
  Python server_;
  const std::string port_;
  std::vector<std::jthread> calls_;
};

TEST_F(HttpTest, EndsEveryReplyThatMakesNoProgress) {
  for (const char* path : {"drip/200", "mute/200", "silent", "drip/headers"}) {
    Start([this, path] {
      EXPECT_THAT(Ask(path),
                  StatusIs(StatusCode::kUnavailable,
                           AllOf(HasSubstr(path), HasSubstr("stalled"))));
    });
  }
  Start([this] {
    int64_t bytes = 0;
    const HttpSink sink = [&](const HttpReply&, std::string_view part) {
      bytes += int64_t(part.size());
      return absl::OkStatus();
    };
    EXPECT_THAT(
        Ask("drip/200", sink),
        StatusIs(StatusCode::kUnavailable, HasSubstr("want at least 100")));
    EXPECT_GT(bytes, 0);
  });
  // Behind a redirect nobody waits for the body.
  Start([this] { (void)Ask("drip/302"); });
  Start([this] {
    EXPECT_THAT(Ask("steady/200", {}, /*kept_seconds=*/1),
                StatusIs(StatusCode::kUnavailable,
                         HasSubstr("no whole reply within 1 s")));
  });
  ExpectAllEndWithin(10);
}

TEST_F(HttpTest, AnErrorIsToldHoweverItsBodyEnds) {
  for (const char* path :
       {"drip/404", "mute/404", "steady/404", "endless/404", "cut/404"}) {
    Start([this, path] {
      const auto reply = Ask(path, {}, /*kept_seconds=*/2);
      ASSERT_THAT(reply, IsOk()) << path;
      EXPECT_EQ(reply->status, 404) << path;
      EXPECT_LE(reply->body.size(), 64u << 10);
    });
  }
  ExpectAllEndWithin(10);
}

TEST_F(HttpTest, BoundsBodiesAndHeaders) {
  EXPECT_THAT(Ask("endless/200"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("a reply of over")));
  EXPECT_THAT(Ask("endless/headers"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("of headers")));
}

TEST_F(HttpTest, TakesASlowReplyThatMakesProgress) {
  const auto begun = Clock::now();
  const HttpSink sink = [&](const HttpReply&, std::string_view) {
    return SecondsSince(begun) < 1.5 ? absl::OkStatus()
                                     : absl::AbortedError("enough");
  };
  EXPECT_THAT(Ask("steady/200", sink),
              StatusIs(StatusCode::kAborted, HasSubstr("enough")));
}

TEST_F(HttpTest, RefusesRedirectsWithoutEnd) {
  EXPECT_THAT(Ask("loop"), StatusIs(StatusCode::kFailedPrecondition,
                                    AllOf(HasSubstr("/loop"),
                                          HasSubstr("over 10 redirects"))));
}

}  // namespace
}  // namespace gist
