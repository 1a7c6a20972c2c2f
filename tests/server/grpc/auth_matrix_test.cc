// Every method of every service, called by everyone who might.
#include <map>
#include <string>
#include <vector>

#include "gist/v1/auth.pb.h"
#include "gist/v1/gist.pb.h"
#include "gist/v1/training.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "tests/server/grpc/auth_harness.h"
#include "tests/server/grpc/http2_call.h"
#include "tests/server/grpc/raw_call.h"

namespace gist {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

std::string PathOf(const MethodDescriptor& method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

// Of both services and of health, out of the compiled protos.
std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const auto* file :
       {v1::ServerInfo::descriptor()->file(),
        v1::Training::descriptor()->file(),
        grpc::health::v1::HealthCheckRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const ServiceDescriptor* const service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        methods.push_back(service->method(j));
      }
    }
  }
  return methods;
}

int RoleOf(const MethodDescriptor& method) {
  if (method.service()->full_name() == "grpc.health.v1.Health") {
    return v1::ROLE_READER;
  }
  return method.options().GetExtension(v1::required_role);
}

class AuthMatrixTest : public AuthTest {
 protected:
  void SetUp() override {
    AuthTest::SetUp();
    std::string file;
    for (const auto& [role, token] : by_role_) file += token.line + "\n";
    WriteAuthFile(file + expired_.line + "\n");
  }
  void Connect(GrpcServerOptions options = {}, bool open_health = false) {
    Serve(std::move(options), open_health);
    channel_ = grpc::CreateChannel(grpc_->address(),
                                   grpc::InsecureChannelCredentials());
  }
  RawResult Call(const std::string& path,
                 const std::vector<std::string>& authorization) {
    std::vector<std::pair<std::string, std::string>> headers;
    for (const std::string& value : authorization) {
      headers.emplace_back("authorization", value);
    }
    return RawCall(channel_, path, "", headers);
  }
  void ExpectRefused(const std::string& path,
                     const std::vector<std::string>& authorization,
                     StatusCode code, const std::string& reason) {
    const RawResult result = Call(path, authorization);
    EXPECT_EQ(result.status.error_code(), code) << path;
    EXPECT_EQ(ReasonOf(result.status), reason) << path;
    EXPECT_FALSE(result.answered) << path;
  }
  void ExpectAdmitted(const std::string& path, const std::string& token) {
    const RawResult result = Call(path, {"Bearer " + token});
    const StatusCode code = result.status.error_code();
    EXPECT_NE(code, StatusCode::UNAUTHENTICATED) << path;
    EXPECT_NE(code, StatusCode::PERMISSION_DENIED) << path;
    EXPECT_NE(code, StatusCode::UNIMPLEMENTED) << path;
    EXPECT_NE(code, StatusCode::UNAVAILABLE) << path;
    // An answer, or an error of the call's own.
    if (!result.answered && code != StatusCode::OK) {
      EXPECT_THAT(ReasonOf(result.status), Not(HasSubstr("("))) << path;
    }
  }

  const std::map<int, TestToken> by_role_ = {
      {v1::ROLE_READER, TestToken("reader", "acme")},
      {v1::ROLE_WRITER, TestToken("writer", "acme")},
      {v1::ROLE_TRAINER, TestToken("trainer", "acme")},
      {v1::ROLE_ADMIN, TestToken("admin", "acme")}};
  const TestToken expired_{"admin", "acme", 1'000'000'000};
  const TestToken unknown_{"admin", "acme"};
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(AuthMatrixTest, EveryMethodSaysWhichRoleItNeeds) {
  const Gate gate;
  for (const MethodDescriptor* method : AllMethods()) {
    EXPECT_GE(RoleOf(*method), v1::ROLE_READER)
        << PathOf(*method) << ": give it the option required_role";
    const auto role = gate.RoleFor(PathOf(*method));
    ASSERT_TRUE(role) << PathOf(*method);
    EXPECT_EQ(int(*role), RoleOf(*method)) << PathOf(*method);
  }
  EXPECT_GE(AllMethods().size(), 24u);
  EXPECT_EQ(gate.RoleFor("/gist.v1.GistService/NoSuchMethod"), std::nullopt);
}

// The table itself, so that no role is lowered by a slip.
TEST_F(AuthMatrixTest, RolesAreAsDocumented) {
  const Gate gate;
  const std::map<std::string, Role> wanted = {
      {"GistService/Ask", Role::kReader},
      {"GistService/ExportContext", Role::kReader},
      {"GistService/AddDocument", Role::kWriter},
      {"GistService/Compress", Role::kWriter},
      {"GistService/CompressStream", Role::kWriter},
      {"GistService/ImportContext", Role::kWriter},
      {"GistService/DeleteContext", Role::kWriter},
      {"GistService/UpdateContext", Role::kWriter},
      {"GistService/CreateBackup", Role::kAdmin},
      {"GistService/ListBackups", Role::kAdmin},
      {"TrainingService/Train", Role::kTrainer},
      {"TrainingService/CancelTraining", Role::kTrainer},
      {"TrainingService/UploadDataset", Role::kTrainer},
      {"TrainingService/DeleteDataset", Role::kTrainer},
      {"TrainingService/PromoteAdapter", Role::kAdmin},
      {"TrainingService/RollbackAdapter", Role::kAdmin}};
  for (const auto& [method, role] : wanted) {
    EXPECT_EQ(gate.RoleFor("/gist.v1." + method), role) << method;
  }
}

TEST_F(AuthMatrixTest, EachMethodMeetsEachCaller) {
  Connect();
  int cells = 0;
  for (const MethodDescriptor* method : AllMethods()) {
    const std::string path = PathOf(*method);
    const auto unauthenticated = StatusCode::UNAUTHENTICATED;
    ExpectRefused(path, {}, unauthenticated, "TOKEN_MISSING");
    ExpectRefused(path, {"Bearer " + unknown_.token}, unauthenticated,
                  "TOKEN_INVALID");
    ExpectRefused(path, {"Bearer " + expired_.token}, unauthenticated,
                  "TOKEN_EXPIRED");
    ExpectRefused(path, {"Bearer nonsense"}, unauthenticated,
                  "TOKEN_MALFORMED");
    for (const auto& [role, token] : by_role_) {
      if (role >= RoleOf(*method)) {
        ExpectAdmitted(path, token.token);
      } else {
        ExpectRefused(path, {"Bearer " + token.token},
                      StatusCode::PERMISSION_DENIED, "ROLE_TOO_LOW");
      }
    }
    cells += 8;
  }
  RecordProperty("cells", cells);
  EXPECT_GE(cells, 184);
  grpc_->Shutdown();
  // Neither tokens nor their hashes are in the log or the metrics.
  for (const std::string& page : {log(), server().metrics.Render()}) {
    for (const auto& [role, token] : by_role_) {
      EXPECT_THAT(page, Not(HasSubstr(token.token)));
      EXPECT_THAT(page, Not(HasSubstr(token.token.substr(22))));
      EXPECT_THAT(
          page,
          Not(HasSubstr(token.line.substr(token.line.find("sha256="), 20))));
    }
    EXPECT_THAT(page, Not(HasSubstr(unknown_.token)));
  }
  EXPECT_THAT(log(), HasSubstr("tenant=acme"));
  // Who was refused is known too.
  EXPECT_THAT(log(), testing::ContainsRegex(
                         "tenant=acme .*code=PERMISSION_DENIED .*token="));
}

TEST_F(AuthMatrixTest, TheHeaderIsReadStrictly) {
  Connect();
  const std::string path = "/gist.v1.GistService/GetServerInfo";
  const std::string token = by_role_.at(v1::ROLE_READER).token;
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER "}) {
    EXPECT_TRUE(Call(path, {scheme + token}).answered) << scheme;
  }
  std::string upper = token;
  for (char& c : upper) c = char(std::toupper(c));
  const std::vector<std::vector<std::string>> malformed = {
      {"Bearer " + upper},
      {token},
      {"Basic " + token},
      {"Token " + token},
      {"Bearer"},
      {"Bearer  " + token},
      {"Bearer " + token + "0"},
      {"Bearer " + token.substr(1)},
      {"Bearer " + token, "Bearer " + token},
      {"Bearer " + token + ", Bearer " + token},
      {"Bearer " + std::string(4000, 'a')}};
  for (const auto& authorization : malformed) {
    ExpectRefused(path, authorization, StatusCode::UNAUTHENTICATED,
                  "TOKEN_MALFORMED");
  }
  // A wrong last digit is another token.
  std::string near = token;
  near.back() = near.back() == '0' ? '1' : '0';
  ExpectRefused(path, {"Bearer " + near}, StatusCode::UNAUTHENTICATED,
                "TOKEN_INVALID");
}

TEST_F(AuthMatrixTest, AHeaderThatIsTooLargeDoesNotGetIn) {
  Connect();
  const std::string path = "/gist.v1.GistService/GetServerInfo";
  // On a connection of its own, which may be closed for it.
  grpc::ChannelArguments apart;
  apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const RawResult result = RawCall(
      grpc::CreateCustomChannel(grpc_->address(),
                                grpc::InsecureChannelCredentials(), apart),
      path, "", {{"authorization", "Bearer " + std::string(1 << 16, 'a')}});
  EXPECT_FALSE(result.answered);
  EXPECT_EQ(result.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  ExpectAdmitted(path, by_role_.at(v1::ROLE_READER).token);
}

// gRPC's client would not send such headers, so the frames are our own.
TEST_F(AuthMatrixTest, AHeaderThatIsNotAsciiDoesNotGetIn) {
  Connect();
  const std::string path = "/gist.v1.GistService/GetServerInfo";
  const std::string good = "Bearer " + by_role_.at(v1::ROLE_READER).token;
  const auto is_answered = [&](const std::string& authorization) {
    return Http2Call(grpc_->address(), path, authorization);
  };
  EXPECT_TRUE(is_answered(good));
  for (const std::string& value :
       {good + "\xC3\xA9", "Bearer \x01" + good.substr(7), good + "\r\nx: y",
        std::string("Bearer \0", 8) + good.substr(7), good + "\n",
        "\xFF" + good, std::string()}) {
    EXPECT_FALSE(is_answered(value));
  }
  EXPECT_TRUE(is_answered(good));
}

TEST_F(AuthMatrixTest, ABodyThatDoesNotParseTellsAStrangerNothing) {
  Connect();
  const std::string path = "/gist.v1.GistService/GetContext";
  const std::string not_utf8 = "\x0A\x01\xFF";
  const RawResult stranger = RawCall(channel_, path, not_utf8);
  EXPECT_EQ(ReasonOf(stranger.status), "TOKEN_MISSING");
  const RawResult reader = RawCall(
      channel_, path, not_utf8,
      {{"authorization", "Bearer " + by_role_.at(v1::ROLE_READER).token}});
  EXPECT_EQ(ReasonOf(reader.status), "REQUEST_MALFORMED");
}

TEST_F(AuthMatrixTest, HealthIsOpenByChoiceAlone) {
  Connect({}, /*open_health=*/true);
  for (const char* method : {"Check", "Watch"}) {
    const std::string path = std::string("/grpc.health.v1.Health/") + method;
    EXPECT_TRUE(Call(path, {}).answered);
  }
  ExpectRefused("/gist.v1.GistService/GetServerInfo", {},
                StatusCode::UNAUTHENTICATED, "TOKEN_MISSING");
}

TEST_F(AuthMatrixTest, ReflectionAndChannelzAreThereByChoiceAlone) {
  const std::string reflection =
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  const std::string channelz = "/grpc.channelz.v1.Channelz/GetServers";
  GrpcServerOptions without;
  without.has_reflection = false;
  Connect(without);
  for (const std::string& path : {reflection, channelz}) {
    const RawResult result =
        Call(path, {"Bearer " + by_role_.at(v1::ROLE_ADMIN).token});
    EXPECT_EQ(result.status.error_code(), StatusCode::UNIMPLEMENTED) << path;
  }
  GrpcServerOptions options;
  options.has_channelz = true;
  Connect(options);
  EXPECT_TRUE(RawCall(channel_, reflection, "\x3A\x01*").answered);
  EXPECT_TRUE(Call(channelz, {}).answered);
}

// It would change the adapter of all tenants.
TEST_F(AuthMatrixTest, ATrainerMayNotPromoteByTraining) {
  Connect();
  client::TrainingRequest request;
  request.preset = "gist_10";
  request.name = "mine";
  request.generator.emplace().name = "niah";
  request.promote_if_better = true;
  const auto train = [&](int role) {
    const client::TrainingClient client(As(by_role_.at(role).token));
    return client.Train(request, [](const client::TrainingEvent&) {
      return absl::AbortedError("seen");
    });
  };
  EXPECT_TRUE(absl::IsPermissionDenied(train(v1::ROLE_TRAINER)));
  EXPECT_TRUE(absl::IsAborted(train(v1::ROLE_ADMIN)));
}

TEST_F(AuthMatrixTest, WithoutAFileNobodyIsAsked) {
  Start();
  TrainHarness& parts = server();
  grpc_ = GrpcServer::Start({parts.harness.pipeline}, parts.metrics,
                            {.listen = "127.0.0.1:0"})
              .value();
  channel_ =
      grpc::CreateChannel(grpc_->address(), grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Call("/gist.v1.GistService/GetServerInfo", {}).answered);
  EXPECT_TRUE(
      Call("/gist.v1.GistService/GetServerInfo", {"Bearer odd"}).answered);
}

}  // namespace
}  // namespace gist
