// A server that listens before its model is loaded: every call is refused with
// MODEL_LOADING, then served, without a moment between.
#include <atomic>
#include <thread>

#include "client/error_info.h"
#include "client/gist_client.h"
#include "gist/v1/gist.grpc.pb.h"
#include "gist/v1/training.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/grpc/service.h"
#include "server/support/auth.h"
#include "spdlog/spdlog.h"
#include "tests/server/grpc/raw_call.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using client::ErrorInfoOf;
using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kGistService[] = "gist.v1.GistService";

class LoadingTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void SetUp() override { Listen({.listen = "127.0.0.1:0"}); }
  void TearDown() override { grpc_.reset(); }

  void Listen(GrpcServerOptions options) {
    options.readiness = &readiness_;
    grpc_ = GrpcServer::Listen(metrics_, options).value();
    channel_ = grpc::CreateChannel(grpc_->address(),
                                   grpc::InsecureChannelCredentials());
  }
  void Open() {
    Start();
    grpc_->Open({server().pipeline});
  }
  client::GistClient Client() const {
    client::ClientOptions options;
    options.target = grpc_->address();
    return client::GistClient(options);
  }
  HealthCheckResponse::ServingStatus HealthOf(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    EXPECT_TRUE(
        Health::NewStub(channel_)->Check(&context, request, &response).ok());
    return response.status();
  }

  Readiness readiness_;
  Metrics metrics_;
  std::unique_ptr<GrpcServer> grpc_;
  std::shared_ptr<grpc::Channel> channel_;
};

void ExpectLoading(const absl::Status& status) {
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ErrorInfoOf(status).reason, "MODEL_LOADING");
  EXPECT_EQ(ErrorInfoOf(status).retry_seconds, 1.0);
}

TEST_F(LoadingTest, CallsAreRefusedUntilTheModelIsThere) {
  const client::GistClient client = Client();
  ExpectLoading(client.GetServerInfo().status());
  ExpectLoading(client.Compress("text", {}).status());
  client::CompressOptions streamed;
  streamed.on_progress = [](int64_t, int64_t) {};
  ExpectLoading(client.Compress(std::string(3 << 20, 'a'), streamed).status());
  const auto on_text = [](std::string_view) { return absl::OkStatus(); };
  client::Question question;
  question.context_ids = {"ctx_1"};
  question.text = "Who?";
  ExpectLoading(client.Ask(question, on_text).status());
  ExpectLoading(client.DeleteContext("ctx_1"));
  Open();
  EXPECT_THAT(client.GetServerInfo(), IsOk());
  EXPECT_THAT(client.Compress("text", {}), IsOk());
}

TEST_F(LoadingTest, HealthFollowsTheModel) {
  EXPECT_FALSE(readiness_.ready());
  EXPECT_EQ(HealthOf(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(HealthOf(kGistService), HealthCheckResponse::NOT_SERVING);
  const auto stub = Health::NewStub(channel_);
  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, {});
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  Open();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  EXPECT_TRUE(readiness_.ready());
  EXPECT_EQ(HealthOf(kGistService), HealthCheckResponse::SERVING);
  context.TryCancel();
  while (watch->Read(&response)) {
  }
  watch->Finish().ok();
}

// Each thread sees refusals, then answers, and no refusal after an answer.
TEST_F(LoadingTest, ParallelCallsSeeOneSwitch) {
  constexpr int kThreads = 8;
  std::atomic<int> refused = 0, wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const client::GistClient client = Client();
      int served = 0;
      while (served < 20) {
        const auto info = client.GetServerInfo();
        if (info.ok()) {
          ++served;
          continue;
        }
        ++refused;
        const bool is_loading =
            ErrorInfoOf(info.status()).reason == "MODEL_LOADING";
        if (!is_loading || served > 0) ++wrong;
      }
    });
  }
  while (refused < 4 * kThreads) std::this_thread::yield();
  Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(LoadingTest, TheTrainingServiceIsRefusedToo) {
  grpc_.reset();
  Listen({.listen = "127.0.0.1:0", .has_training = true});
  grpc::ClientContext context;
  v1::ListTrainingsResponse response;
  const grpc::Status status =
      v1::TrainingService::NewStub(channel_)->ListTrainings(&context, {},
                                                            &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "MODEL_LOADING");
}

TEST_F(LoadingTest, AServerThatNeverOpensShutsDown) {
  ExpectLoading(Client().GetServerInfo().status());
  grpc_->Shutdown();
  EXPECT_TRUE(absl::IsUnavailable(Client().GetServerInfo().status()));
}

}  // namespace
}  // namespace gist
