// gistd as its operators meet it: probes, signals, TLS and tokens by flags.
#include <signal.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "client/error_info.h"
#include "client/gist_client.h"
#include "core/base/token.h"
#include "tests/integration/gistd_process.h"
#include "tests/support/certificates.h"
#include "tests/support/loopback.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using client::ErrorInfoOf;
using client::GistClient;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class OperationsTest : public testing::Test {
 protected:
  void Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data-dir", dir_ / "data"});
    gistd_ = std::make_unique<GistdProcess>(arguments, dir_ / "log");
    const auto address = gistd_->WaitUntilReady();
    ASSERT_TRUE(address) << gistd_->Log();
    address_ = *address;
    admin_ = gistd_->AdminAddress();
  }
  client::ClientOptions Options() const {
    client::ClientOptions options;
    options.target = address_;
    options.timeout_seconds = 20;
    return options;
  }
  std::string Fill(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return dir_ / name;
  }

  TempDir dir_;
  std::unique_ptr<GistdProcess> gistd_;
  std::string address_, admin_;
};

TEST_F(OperationsTest, SigtermMakesItUnreadyAtOnceAndItServesAWhile) {
  Start({"--admin", "127.0.0.1:0", "--drain-seconds", "2"});
  EXPECT_THAT(HttpGet(admin_, "/livez"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(admin_, "/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(admin_, "/metrics"),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("gist_contexts 0")));
  const auto start = steady_clock::now();
  gistd_->Signal(SIGTERM);
  while (HttpGet(admin_, "/readyz").starts_with("HTTP/1.1 200")) {
    ASSERT_LT(steady_clock::now() - start, milliseconds(1000));
  }
  RecordProperty("unready_after_milliseconds",
                 int((steady_clock::now() - start) / milliseconds(1)));
  EXPECT_THAT(HttpGet(admin_, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("draining")));
  EXPECT_THAT(HttpGet(admin_, "/livez"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(GistClient(Options()).Compress("a late text", {}), IsOk());
  EXPECT_EQ(gistd_->Wait(), 0);
  EXPECT_GE(steady_clock::now() - start, milliseconds(1900));
}

TEST_F(OperationsTest, SigintAndASecondSignalDoNotWait) {
  Start({"--drain-seconds", "60"});
  auto start = steady_clock::now();
  gistd_->Signal(SIGINT);
  EXPECT_EQ(gistd_->Wait(), 0);
  EXPECT_LT(steady_clock::now() - start, milliseconds(10'000));
  Start({"--drain-seconds", "60"});
  start = steady_clock::now();
  gistd_->Signal(SIGTERM);
  std::this_thread::sleep_for(milliseconds(200));
  gistd_->Signal(SIGTERM);
  EXPECT_EQ(gistd_->Wait(), 0);
  EXPECT_LT(steady_clock::now() - start, milliseconds(10'000));
}

TEST_F(OperationsTest, TlsTokensAndTenantsByFlags) {
  const TestAuthority authority("authority");
  const Identity identity = authority.Issue("gistd");
  const std::string token = NewToken(), salt = NewTokenSalt();
  const std::string line =
      FormatTokenLine({std::string(*TokenId(token)), "acme", "reader", salt,
                       TokenHash(salt, token), std::nullopt});
  Start({"--tls-cert", Fill("cert.pem", identity.certificate), "--tls-key",
         Fill("key.pem", identity.key), "--auth-file",
         Fill("auth.tokens", line)});
  auto options = Options();
  EXPECT_TRUE(absl::IsUnavailable(
      GistClient(options).GetServerInfo().status()));  // no TLS
  options.tls.enabled = true;
  options.tls.ca = authority.pem();
  EXPECT_EQ(ErrorInfoOf(GistClient(options).GetServerInfo().status()).reason,
            "TOKEN_MISSING");
  options.token = token;
  EXPECT_THAT(GistClient(options).GetServerInfo(), IsOk());
  EXPECT_EQ(
      ErrorInfoOf(GistClient(options).Compress("text", {}).status()).reason,
      "ROLE_TOO_LOW");
  // Taken out of the file: refused within about a second.
  Fill("auth.tokens", "");
  std::string reason;
  for (int i = 0; i < 50 && reason.empty(); ++i) {
    std::this_thread::sleep_for(milliseconds(100));
    reason = ErrorInfoOf(GistClient(options).GetServerInfo().status()).reason;
  }
  EXPECT_EQ(reason, "TOKEN_INVALID");
  EXPECT_THAT(gistd_->Log(), Not(HasSubstr(token.substr(22))));
  EXPECT_THAT(gistd_->Log(), HasSubstr("tls=true auth=true"));
}

TEST_F(OperationsTest, FilesThatCannotWorkEndItWithOneLine) {
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"--auth-file", dir_ / "none"}, "--auth-file"},
      {{"--auth-file", Fill("bad.tokens", "who=knows")}, "line 1"},
      {{"--tls-cert", Fill("c.pem", "x"), "--tls-key", Fill("k.pem", "x")},
       "no certificate in PEM"},
      {{"--listen", "0.0.0.0:0"}, "unencrypted"}};
  for (const auto& [arguments, problem] : wrong) {
    auto all = arguments;
    all.insert(all.end(), {"--data-dir", dir_ / "data"});
    GistdProcess gistd(all, dir_ / "log");
    EXPECT_EQ(gistd.Wait(), 1);
    EXPECT_THAT(gistd.Log(), HasSubstr(problem));
  }
}

}  // namespace
}  // namespace gist
