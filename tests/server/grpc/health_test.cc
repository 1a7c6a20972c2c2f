// Probes over gRPC: liveness on "", readiness on the services.
#include <future>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/grpc/service.h"
#include "spdlog/spdlog.h"
#include "tests/server/grpc/raw_call.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using grpc::StatusCode;
using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class GrpcHealthTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void SetUp() override {
    Start();
    grpc_ =
        GrpcServer::Start({server().pipeline}, metrics_,
                          {.listen = "127.0.0.1:0", .readiness = &readiness_})
            .value();
    stub_ = Health::NewStub(grpc::CreateChannel(
        grpc_->address(), grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    stub_.reset();
    grpc_.reset();
  }
  std::pair<grpc::Status, int> Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::Status status = stub_->Check(&context, request, &response);
    return {status, response.status()};
  }

  Readiness readiness_;
  Metrics metrics_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<Health::Stub> stub_;
};

constexpr char kOurs[] = "gist.v1.GistService";

TEST_F(GrpcHealthTest, CheckTellsLivenessFromReadiness) {
  EXPECT_EQ(Check("").second, HealthCheckResponse::SERVING);
  EXPECT_EQ(Check(kOurs).second, HealthCheckResponse::SERVING);
  grpc_->StopServing();
  EXPECT_EQ(Check("").second, HealthCheckResponse::SERVING);
  EXPECT_EQ(Check(kOurs).second, HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(readiness_.ready());
  EXPECT_EQ(readiness_.why(), "draining");
  readiness_.Set(true);
  EXPECT_EQ(Check(kOurs).second, HealthCheckResponse::SERVING);
}

TEST_F(GrpcHealthTest, AnUnknownServiceIsNotFound) {
  const auto [status, value] = Check("gist.v1.Nothing");
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "SERVICE_NOT_FOUND");
  // There is no training service in this server.
  EXPECT_EQ(Check("gist.v1.TrainingService").first.error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(GrpcHealthTest, WatchFollowsEachChange) {
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(kOurs);
  const auto reader = stub_->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  for (int i = 0; i < 3; ++i) {
    readiness_.Set(false, "store is read-only");
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
    readiness_.Set(true);
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(GrpcHealthTest, WatchOfAnUnknownServiceSaysSoAndStays) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(500));
  HealthCheckRequest request;
  request.set_service("gist.v1.Nothing");
  const auto reader = stub_->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcHealthTest, AShutdownEndsAllWatches) {
  constexpr int kWatchers = 20;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<HealthCheckResponse>>> readers;
  HealthCheckResponse response;
  for (int i = 0; i < kWatchers; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->Watch(contexts.back().get(), {}));
    ASSERT_TRUE(readers.back()->Read(&response));
  }
  grpc_->Shutdown();
  for (auto& reader : readers) {
    while (reader->Read(&response)) {
    }
    const grpc::Status status = reader->Finish();
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(status), "DRAINING");
  }
}

TEST_F(GrpcHealthTest, WatchersAreBounded) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<HealthCheckResponse>>> readers;
  HealthCheckResponse response;
  int refused = 0;
  for (int i = 0; i < 260; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->Watch(contexts.back().get(), {}));
    if (readers.back()->Read(&response)) continue;
    ++refused;
    EXPECT_EQ(ReasonOf(readers.back()->Finish()), "TOO_MANY_WATCHERS");
    readers.pop_back();
  }
  EXPECT_EQ(refused, 4);
  for (auto& context : contexts) context->TryCancel();
  for (auto& reader : readers) reader->Finish();
}

}  // namespace
}  // namespace gist
