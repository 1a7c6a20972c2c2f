// Errors that say more, tokens and TLS, as the real `gist` shows and sends
// them.
#include <ctime>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/output.h"
#include "client/error_info.h"
#include "core/base/token.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// As gistd sends it: one reason, a second and a half to wait, a field.
grpc::Status RichError(grpc::StatusCode code, const std::string& reason) {
  google::rpc::Status rich;
  rich.set_code(code);
  rich.set_message("it did not work");
  google::rpc::ErrorInfo info;
  info.set_domain("gist.v1");
  info.set_reason(reason);
  (*info.mutable_metadata())["maxRequests"] = "64";
  rich.add_details()->PackFrom(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  rich.add_details()->PackFrom(retry);
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field("retrieval.top_k");
  rich.add_details()->PackFrom(bad);
  return {code, rich.message(), rich.SerializeAsString()};
}

class SecurityTest : public testing::Test {
 protected:
  SecurityTest() { server_.script->info = FullServerInfo(); }
  GistResult Gist(std::vector<std::string> arguments,
                  std::vector<std::string> environment = {}) {
    environment.push_back("GIST_SERVER=" + server_.target());
    return RunGist(arguments, {.environment = environment});
  }
  std::vector<std::string> Sent() {
    return std::exchange(server_.received->authorization, {});
  }
  std::string Fill(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  ScriptedServer server_;
  TempDir folder_;
};

TEST_F(SecurityTest, AnErrorShowsItsReasonAndWhatToDo) {
  server_.script->errors["GetServerInfo"] =
      RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL");
  const auto result = Gist({"info"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "gist: it did not work [RESOURCE_EXHAUSTED QUEUE_FULL]\n"
            "gist: the field to change is retrieval.top_k\n"
            "gist: the same command may work in 1.50 s\n");
  const Json error = Json::parse(Gist({"info", "--json"}).out)["error"];
  EXPECT_EQ(error, Json::parse(R"({"code": "RESOURCE_EXHAUSTED",
      "message": "it did not work", "reason": "QUEUE_FULL",
      "retry_seconds": 1.5, "fields": ["retrieval.top_k"],
      "metadata": {"maxRequests": "64"}})"));
}

TEST_F(SecurityTest, WhoIsAskedForATokenIsToldHowToGiveIt) {
  server_.script->errors["GetServerInfo"] =
      RichError(grpc::StatusCode::UNAUTHENTICATED, "TOKEN_MISSING");
  EXPECT_THAT(Gist({"info"}).err,
              AllOf(HasSubstr("[UNAUTHENTICATED TOKEN_MISSING]"),
                    HasSubstr("--token-file"), HasSubstr("GIST_TOKEN")));
}

// The server was there: "is gistd running?" would mislead.
TEST_F(SecurityTest, AServerThatRefusesIsNotCalledAbsent) {
  server_.script->errors["GetServerInfo"] =
      RichError(grpc::StatusCode::UNAVAILABLE, "DRAINING");
  EXPECT_THAT(Gist({"info"}).err, AllOf(HasSubstr("[UNAVAILABLE DRAINING]"),
                                        Not(HasSubstr("is gistd running"))));
  EXPECT_THAT(RunGist({"--server", "127.0.0.1:1", "info"}).err,
              HasSubstr("is gistd running"));
}

TEST_F(SecurityTest, DetailsThatAreDamagedLeaveCodeAndMessage) {
  server_.script->errors["GetServerInfo"] = {grpc::StatusCode::NOT_FOUND,
                                             "gone", "\xFF\xFF\xFF"};
  EXPECT_EQ(Gist({"info"}).err, "gist: gone [NOT_FOUND]\n");
}

TEST_F(SecurityTest, TheTokenIsAFilesOrTheEnvironments) {
  const std::string file = Fill("token", "  file-token \r\n");
  EXPECT_EQ(Gist({"info", "--token-file", file}).exit_code, 0);
  EXPECT_THAT(Sent(), ElementsAre("Bearer file-token"));
  EXPECT_EQ(Gist({"info"}, {"GIST_TOKEN=env-token"}).exit_code, 0);
  EXPECT_THAT(Sent(), ElementsAre("Bearer env-token"));
  EXPECT_EQ(
      Gist({"info", "--token-file", file}, {"GIST_TOKEN=other"}).exit_code, 0);
  EXPECT_THAT(Sent(), ElementsAre("Bearer file-token"));
  EXPECT_EQ(Gist({"info"}).exit_code, 0);
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(SecurityTest, ATokenDoesNotLeaveThisMachineInTheClear) {
  const std::vector<std::string> token = {"GIST_TOKEN=secret-token"};
  const auto result = RunGist({"--server", "gistd.example:50051", "info"},
                              {.environment = token});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("unencrypted"), HasSubstr("--insecure-token"),
                    Not(HasSubstr("secret-token"))));
  // An address that begins like loopback is none.
  EXPECT_THAT(RunGist({"--server", "127.0.0.1.example:1", "info"},
                      {.environment = token})
                  .err,
              HasSubstr("unencrypted"));
  // Loopback by its name is loopback, whether or not the name can be resolved.
  const std::string port = server_.target().substr(server_.target().rfind(':'));
  EXPECT_THAT(
      RunGist({"--server", "localhost" + port, "info"}, {.environment = token})
          .err,
      Not(HasSubstr("unencrypted")));
}

TEST_F(SecurityTest, ATokenThatNoHeaderCarriesIsRefusedHere) {
  for (const char* token : {"two words", "caf\xC3\xA9", "tab\there"}) {
    const auto result = Gist({"info", "--token-file", Fill("token", token)});
    EXPECT_EQ(result.exit_code, 2) << token;
    EXPECT_THAT(result.err, AllOf(HasSubstr("the token has a blank"),
                                  Not(HasSubstr(token))));
  }
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(SecurityTest, FilesThatAreMissingAreLocalErrors) {
  for (const char* flag : {"--token-file", "--tls-ca"}) {
    const auto result = Gist({"info", flag, folder_ / "none"});
    EXPECT_EQ(result.exit_code, 4) << flag;
    EXPECT_THAT(result.err, HasSubstr("none"));
  }
  EXPECT_EQ(Gist({"info", "--tls-cert", folder_ / "none"}).exit_code, 2);
}

TEST_F(SecurityTest, TlsToAServerWithoutItIsAClearError) {
  const auto result = Gist({"info", "--tls", "--timeout", "5"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("with TLS"));
}

TEST_F(SecurityTest, ANewTokenComesWithItsLine) {
  const auto result = RunGist(
      {"tokens", "new", "--role", "writer", "--tenant", "acme", "--days", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::string token = result.out;
  ASSERT_EQ(token.back(), '\n');
  token.pop_back();
  ASSERT_TRUE(TokenId(token)) << token;
  const std::regex line(
      "id=([0-9a-f]{16}) tenant=acme role=writer salt=([0-9a-f]{32}) "
      "sha256=([0-9a-f]{64}) expires=([0-9TZ:-]{20})\n");
  std::smatch match;
  ASSERT_TRUE(std::regex_match(result.err, match, line)) << result.err;
  EXPECT_EQ(match[1].str(), *TokenId(token));
  EXPECT_EQ(match[3].str(), TokenHash(match[2].str(), token));
  EXPECT_NEAR(double(*ParseUtcTime(match[4].str())),
              double(std::time(nullptr)) + 86'400, 60);
  EXPECT_THAT(result.err, Not(HasSubstr(token.substr(22))));
  const Json json =
      Json::parse(RunGist({"tokens", "new", "--role", "reader", "--json"}).out);
  EXPECT_TRUE(TokenId(json["token"].get<std::string>()));
  EXPECT_THAT(json["line"].get<std::string>(),
              HasSubstr("tenant=default role=reader"));
  for (const auto& wrong : std::vector<std::vector<std::string>>{
           {"tokens", "new"},
           {"tokens", "new", "--role", "owner"},
           {"tokens", "new", "--role", "reader", "--tenant", "A b"},
           {"tokens", "new", "--role", "reader", "--days", "0"}}) {
    EXPECT_EQ(RunGist(wrong).exit_code, 2);
  }
}

}  // namespace
}  // namespace gist::client
