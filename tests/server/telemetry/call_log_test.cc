// What a call leaves behind: a line in the log, and in the metrics why it was
// refused.
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gist/v1/gist.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/grpc/service.h"
#include "server/telemetry/metrics.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

// A server whose log goes into a string.
class CallLogTest : public PipelineTest {
 protected:
  void SetUp() override {
    before_ = spdlog::default_logger();
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    logger->set_level(spdlog::level::info);
    logger->set_pattern("%v");
    spdlog::set_default_logger(std::move(logger));
    Serve({});
  }
  void TearDown() override {
    stub_.reset();
    grpc_.reset();
    spdlog::set_default_logger(before_);
  }

  void Serve(HarnessOptions options) {
    stub_.reset();
    grpc_.reset();
    Start(std::move(options));
    metrics_ = std::make_unique<Metrics>();
    grpc_ = GrpcServer::Start({server().pipeline}, *metrics_,
                              {.listen = "127.0.0.1:0", .max_threads = 16})
                .value();
    stub_ = v1::GistService::NewStub(grpc::CreateChannel(
        grpc_->address(), grpc::InsecureChannelCredentials()));
  }

  StatusCode Compress(const std::string& text, std::string* id = nullptr) {
    grpc::ClientContext context;
    v1::CompressRequest request;
    v1::CompressResponse response;
    request.set_text(text);
    const auto status = stub_->Compress(&context, request, &response);
    if (id != nullptr) *id = response.context().context_id();
    return status.error_code();
  }
  StatusCode Ask(const std::string& id, const std::string& question) {
    grpc::ClientContext context;
    v1::AskRequest request;
    request.add_context_ids(id);
    request.set_question(question);
    const auto reader = stub_->Ask(&context, request);
    for (v1::AskResponse event; reader->Read(&event);) {
    }
    return reader->Finish().error_code();
  }

  using Metadata = std::multimap<std::string, std::string>;
  // What the server gives back with a GetServerInfo.
  Metadata InfoWith(const Metadata& metadata) {
    grpc::ClientContext context;
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    v1::ServerInfo info;
    EXPECT_TRUE(stub_->GetServerInfo(&context, {}, &info).ok());
    Metadata got;
    for (const auto& [key, value] : context.GetServerInitialMetadata()) {
      got.emplace(std::string(key.data(), key.size()),
                  std::string(value.data(), value.size()));
    }
    return got;
  }
  std::vector<std::string> Lines() {
    grpc_->Shutdown();  // a call is logged a moment after its client hears
    std::vector<std::string> lines;
    std::istringstream text(log_.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  // The page, once all calls are counted.
  std::string Page() {
    grpc_->Shutdown();
    return metrics_->Render();
  }

 private:
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<v1::GistService::Stub> stub_;
};

constexpr char kTrace[] =
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_F(CallLogTest, ACallIsKnownByItsIds) {
  const Metadata got =
      InfoWith({{"x-request-id", "order-17"}, {"traceparent", kTrace}});
  EXPECT_EQ(got.find("x-request-id")->second, "order-17");
  EXPECT_EQ(got.find("traceparent")->second, kTrace);
  EXPECT_THAT(Lines(),
              testing::ElementsAre(StartsWith(
                  "rpc=GetServerInfo request_id=order-17 "
                  "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 "
                  "span_id=00f067aa0ba902b7 mode=none code=OK seconds=")));
}

TEST_F(CallLogTest, HostileMetadataNeverReachesTheLog) {
  const Metadata hostile[] = {
      {{"x-request-id", "\" level=error rpc=\"Ask"}},
      {{"x-request-id", std::string(4000, 'a')}},
      {{"x-request-id", "one"}, {"x-request-id", "two"}},
      {{"x-request-id", ""}, {"traceparent", std::string(4000, '0')}},
      {{"traceparent", "00-\"-\"-01"}},
      {{"traceparent", kTrace}, {"traceparent", kTrace}}};
  for (const Metadata& metadata : hostile) {
    const Metadata got = InfoWith(metadata);
    EXPECT_THAT(got.find("x-request-id")->second,
                MatchesRegex("req_[0-9a-f]+"));
    EXPECT_EQ(got.count("traceparent"), 0u);
  }
  const auto lines = Lines();
  EXPECT_EQ(lines.size(), std::size(hostile));
  for (const std::string& line : lines) {
    EXPECT_THAT(line, MatchesRegex("rpc=GetServerInfo request_id=req_[0-9a-f]+ "
                                   "mode=none code=OK seconds=[0-9.]+"));
  }
}

TEST_F(CallLogTest, ACallIsOneLineWithoutItsText) {
  std::string id;
  ASSERT_EQ(Compress(DocumentWith("ABC123"), &id), StatusCode::OK);
  ASSERT_EQ(Ask(id, "What is it?"), StatusCode::OK);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(
      lines[0],
      AllOf(StartsWith("rpc=Compress request_id=req_"),
            HasSubstr(" mode=compress code=OK "), HasSubstr("context=" + id),
            HasSubstr("document_tokens=46 gist_tokens=4 "),
            HasSubstr(" kv_bytes="), HasSubstr(" cached=false ")));
  EXPECT_THAT(lines[1],
              AllOf(StartsWith("rpc=Ask request_id=req_"),
                    HasSubstr(" mode=gist code=OK "),
                    HasSubstr(" contexts=1 prompt_tokens=11 answer_tokens=")));
  for (const std::string& line : lines) {
    for (const char* const text : {"filler", "ABC123", "What", "Found"}) {
      EXPECT_THAT(line, Not(HasSubstr(text)));
    }
  }
}

TEST_F(CallLogTest, RefusalsAreCountedByReason) {
  const std::string large(size_t(4) << 20, 'a');
  EXPECT_EQ(Compress(large + "a"), StatusCode::RESOURCE_EXHAUSTED);
  server().scheduler.Drain(std::chrono::milliseconds(0));
  EXPECT_EQ(Compress("a text"), StatusCode::UNAVAILABLE);
  const std::string page = Page();
  for (const char* line :
       {"gist_requests_rejected_total{reason=\"DOCUMENT_TOO_LARGE\"} 1\n",
        "gist_requests_rejected_total{reason=\"DRAINING\"} 1\n",
        "gist_requests_rejected_total{reason=\"QUEUE_FULL\"} 0\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(Lines()[0], HasSubstr(" rejected=DOCUMENT_TOO_LARGE"));
}

TEST_F(CallLogTest, AFullQueueIsCountedAsSuch) {
  HarnessOptions options;
  options.scheduler.max_jobs = 0;
  Serve(std::move(options));
  EXPECT_EQ(Compress("a text"), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(Page(),
              HasSubstr("gist_requests_rejected_total{reason=\"QUEUE_FULL\"} "
                        "1\n"));
}

}  // namespace
}  // namespace gist
