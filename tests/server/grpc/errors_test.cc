// Errors as a client of a live server meets them.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "client/error_info.h"
#include "client/gist_client.h"
#include "server/grpc/service.h"
#include "spdlog/spdlog.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using client::ErrorInfo;
using client::ErrorInfoOf;
using client::GistClient;
using std::chrono::milliseconds;
using testing::Contains;
using testing::IsEmpty;
using testing::Pair;

class GrpcErrorsTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { grpc_.reset(); }
  void Serve(HarnessOptions options = {}) {
    Start(std::move(options));
    metrics_ = std::make_unique<Metrics>();
    grpc_ = GrpcServer::Start({server().pipeline}, *metrics_,
                              {.listen = "127.0.0.1:0"})
                .value();
  }
  GistClient Client() const {
    client::ClientOptions options;
    options.target = grpc_->address();
    return GistClient(options);
  }
  ErrorInfo AskError(const client::Question& question) const {
    const auto asked = Client().Ask(
        question, [](std::string_view) { return absl::OkStatus(); });
    EXPECT_FALSE(asked.ok());
    return ErrorInfoOf(asked.status());
  }

  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<GrpcServer> grpc_;
};

TEST_F(GrpcErrorsTest, AFullQueueRefusesAtOnceAndSaysWhenToComeBack) {
  HarnessOptions options;
  options.scheduler.max_jobs = 1;
  options.engine.step_delay = milliseconds(5);
  Serve(options);
  std::thread first([&] {
    EXPECT_THAT(Client().Compress(DocumentWith("ABC123", 6000), {}), IsOk());
  });
  while (counts().prefills == 0) std::this_thread::yield();
  const GistClient client = Client();
  std::vector<double> seconds;
  for (int i = 0; i < 20; ++i) {
    const Clock::time_point start = Clock::now();
    const auto refused = client.Compress("text " + std::to_string(i), {});
    seconds.push_back(SecondsSince(start));
    EXPECT_TRUE(absl::IsResourceExhausted(refused.status()))
        << refused.status();
    const ErrorInfo info = ErrorInfoOf(refused.status());
    EXPECT_EQ(info.reason, "QUEUE_FULL");
    EXPECT_EQ(info.retry_seconds, 1.0);
    EXPECT_THAT(info.metadata, Contains(Pair("maxRequests", "1")));
  }
  first.join();
  std::ranges::sort(seconds);
  RecordProperty("median_refusal_microseconds", int(seconds[10] * 1e6));
  EXPECT_LT(seconds[10], 0.05);
}

TEST_F(GrpcErrorsTest, AFieldThatIsWrongIsNamed) {
  Serve();
  const auto made = Client().Compress("text", {});
  ASSERT_THAT(made, IsOk());
  client::Question good;
  good.context_ids = {made->context().context_id()};
  good.text = "Q";
  const auto field_of = [&](const std::function<void(client::Question&)>& f) {
    client::Question question = good;
    f(question);
    const ErrorInfo info = AskError(question);
    EXPECT_EQ(info.reason, "REQUEST_INVALID");
    EXPECT_EQ(info.retry_seconds, std::nullopt);
    return info.fields.size() == 1 ? info.fields[0].field : "";
  };
  EXPECT_EQ(field_of([](auto& q) { q.text = ""; }), "question");
  EXPECT_EQ(field_of([](auto& q) { q.context_ids = {}; }), "context_ids");
  EXPECT_EQ(field_of([](auto& q) { q.temperature = 9; }), "temperature");
  EXPECT_EQ(field_of([](auto& q) { q.top_p = -1; }), "top_p");
  EXPECT_EQ(field_of([](auto& q) { q.top_k = -1; }), "top_k");
  EXPECT_EQ(field_of([](auto& q) { q.max_tokens = -1; }), "max_tokens");
  EXPECT_EQ(field_of([](auto& q) {
              q.mode = client::Mode::kRag;
              q.retrieval.top_k = 1000;
            }),
            "retrieval.top_k");
  const auto compressed = Client().Compress("text", {.gist_tokens = -3});
  const ErrorInfo info = ErrorInfoOf(compressed.status());
  ASSERT_EQ(info.fields.size(), 1u);
  EXPECT_EQ(info.fields[0].field, "representation.gist_tokens");
}

TEST_F(GrpcErrorsTest, OtherErrorsHaveAReasonToo) {
  HarnessOptions options;
  options.limits.max_document_bytes = 1000;
  options.has_embedder = false;
  options.engine.has_answer_adapter = false;
  Serve(options);
  const auto made = Client().Compress("text", {});
  ASSERT_THAT(made, IsOk());
  client::Question question;
  question.context_ids = {"ctx_none"};
  question.text = "Q";
  EXPECT_EQ(AskError(question).reason, "CONTEXT_NOT_FOUND");
  question.context_ids = {made->context().context_id()};
  question.mode = client::Mode::kRag;
  EXPECT_EQ(AskError(question).reason, "NO_EMBEDDER");
  question.mode = client::Mode::kGist;
  question.answer_adapter = client::AnswerAdapter::kOn;
  EXPECT_EQ(AskError(question).reason, "NO_ANSWER_ADAPTER");
  question.answer_adapter = client::AnswerAdapter::kOff;
  question.max_tokens = 9000;
  EXPECT_EQ(AskError(question).reason, "CONTEXT_WINDOW_EXCEEDED");
  const auto large = Client().Compress(std::string(2000, 'a'), {});
  EXPECT_EQ(ErrorInfoOf(large.status()).reason, "DOCUMENT_TOO_LARGE");
  EXPECT_EQ(ErrorInfoOf(large.status()).retry_seconds, std::nullopt);
  server().scheduler.Drain(milliseconds(0));
  const auto late = Client().Compress("other text", {});
  EXPECT_EQ(ErrorInfoOf(late.status()).reason, "DRAINING");
  EXPECT_EQ(ErrorInfoOf(late.status()).retry_seconds, 5.0);
  EXPECT_THAT(ErrorInfoOf(absl::OkStatus()).reason, IsEmpty());
}

}  // namespace
}  // namespace gist
