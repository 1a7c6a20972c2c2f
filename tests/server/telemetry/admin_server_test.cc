// The HTTP port, met by probes and by what is no HTTP at all.
#include "server/telemetry/admin_server.h"

#include <atomic>
#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/loopback.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = AdminServer::Start(
                  "127.0.0.1:0",
                  {{"/livez",
                    [] {
                      return AdminPage{200, "ok\n"};
                    }},
                   {"/readyz",
                    [this] {
                      return ready_ ? AdminPage{200, "ok\n"}
                                    : AdminPage{503, "loading\n"};
                    }},
                   {"/throws",
                    []() -> AdminPage { throw std::runtime_error("secret"); }}})
                  .value();
  }
  int Connect() {
    const int fd = ConnectTo(server_->address());
    EXPECT_GE(fd, 0);
    return fd;
  }
  // All that comes back for these bytes.
  std::string Send(const std::string& bytes) {
    const int fd = Connect();
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n =
          send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += size_t(n);
    }
    shutdown(fd, SHUT_WR);
    return ReadAndClose(fd);
  }
  std::string Get(const std::string& path, const std::string& method = "GET") {
    return Send(method + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  std::atomic<bool> ready_ = false;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, ProbesSeeTheStateOfTheMoment) {
  EXPECT_THAT(Get("/livez"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                                   HasSubstr("\r\n\r\nok\n")));
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "),
                                    HasSubstr("\r\n\r\nloading\n")));
  ready_ = true;
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/readyz?verbose=1"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, HeadHasNoBody) {
  EXPECT_THAT(Get("/livez", "HEAD"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 3"),
                    Not(HasSubstr("\r\n\r\nok"))));
}

TEST_F(AdminServerTest, OtherPagesAndMethodsAreRefused) {
  EXPECT_THAT(Get("/"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("/livez /readyz")));
  for (const char* path :
       {"/livez/", "/livez/../etc/passwd", "/%2e%2e/etc/passwd", "/LIVEZ"}) {
    EXPECT_THAT(Get(path), Not(StartsWith("HTTP/1.1 200"))) << path;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_THAT(Get("/livez", method), StartsWith("HTTP/1.1 405 ")) << method;
  }
}

TEST_F(AdminServerTest, APageThatThrowsIsA500WithoutItsWords) {
  EXPECT_THAT(Get("/throws"),
              AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
}

TEST_F(AdminServerTest, WhatIsNoHttpDoesNotStopIt) {
  const std::string wrong[] = {
      "",
      "\r\n\r\n",
      "GET",
      "GET /livez\r\n\r\n",
      "GET /livez HTTP/9.9\r\n\r\n",
      "NONSENSE /livez HTTP/1.1\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET http:// HTTP/1.1\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
      "GET /livez HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
      "GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n",
      std::string("GET /livez\0x HTTP/1.1\r\n\r\n", 25),
      "GET /\xFF\xFE HTTP/1.1\r\n\r\n",
      std::string("\x16\x03\x01\x00\xA5", 5)};  // the start of TLS
  for (const std::string& bytes : wrong) Send(bytes);
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, RandomBytesDoNotStopIt) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    std::string bytes =
        i % 2 == 0 ? "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" : "";
    const size_t changes = 1 + random() % 20;
    for (size_t j = 0; j < changes; ++j) {
      const size_t at = random() % (bytes.size() + 1);
      bytes.insert(bytes.begin() + std::ptrdiff_t(at), char(random()));
    }
    Send(bytes);
  }
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200 "));
}

// Twice as many as there are threads.
TEST_F(AdminServerTest, WhoSendsNothingIsLeft) {
  std::vector<int> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(Connect());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200 "));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  for (const int fd : silent) close(fd);
}

TEST_F(AdminServerTest, ABusyPortIsAClearError) {
  EXPECT_THAT(
      AdminServer::Start(server_->address(), {}).status(),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr(server_->address()), HasSubstr("--admin"))));
}

}  // namespace
}  // namespace gist
