// The service over a real socket, as a client meets it.
#include "server/grpc/service.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gist/v1/gist.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "server/telemetry/metrics.h"
#include "spdlog/spdlog.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using grpc::StatusCode;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;

MATCHER_P2(GrpcIs, code, message, "has the gRPC code and the message") {
  *result_listener << arg.error_code() << ": " << arg.error_message();
  return arg.error_code() == code &&
         testing::ExplainMatchResult(message, arg.error_message(),
                                     result_listener);
}

class GrpcServiceTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void SetUp() override { Serve({}); }
  void TearDown() override { Close(); }

  void Serve(HarnessOptions options) {
    Close();
    Start(std::move(options));
    metrics_ = std::make_unique<Metrics>();
    grpc_ = GrpcServer::Start({server().pipeline}, *metrics_,
                              {.listen = "127.0.0.1:0"})
                .value();
    channel_ = grpc::CreateChannel(grpc_->address(),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::GistService::NewStub(channel_);
  }
  void Close() {
    stub_.reset();
    channel_.reset();
    grpc_.reset();
  }

  grpc::Status Compress(const std::string& text,
                        v1::CompressResponse* response) {
    grpc::ClientContext context;
    v1::CompressRequest request;
    request.set_text(text);
    return stub_->Compress(&context, request, response);
  }
  std::string IdOf(const std::string& text) {
    v1::CompressResponse response;
    EXPECT_THAT(Compress(text, &response), GrpcIs(StatusCode::OK, _));
    return response.context().context_id();
  }

  struct Streamed {
    grpc::Status status;
    std::vector<v1::CompressProgress> progress;
    v1::CompressResponse result;
  };
  Streamed CompressStream(const std::string& text, size_t chunk_bytes) {
    Streamed out;
    grpc::ClientContext context;
    const auto stream = stub_->CompressStream(&context);
    v1::CompressStreamRequest request;
    for (size_t at = 0; at < text.size(); at += chunk_bytes) {
      request.set_chunk(text.substr(at, chunk_bytes));
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
    for (v1::CompressStreamResponse event; stream->Read(&event);) {
      if (event.has_progress()) out.progress.push_back(event.progress());
      if (event.has_result()) out.result = event.result();
    }
    out.status = stream->Finish();
    return out;
  }

  struct Answer {
    grpc::Status status;
    std::string text;
    v1::AskResult result;
  };
  Answer Ask(const v1::AskRequest& request) {
    Answer out;
    grpc::ClientContext context;
    const auto reader = stub_->Ask(&context, request);
    for (v1::AskResponse event; reader->Read(&event);) {
      EXPECT_FALSE(out.result.has_usage());  // it is the last message
      if (event.has_result()) out.result = event.result();
      out.text += event.text();
    }
    out.status = reader->Finish();
    return out;
  }
  static v1::AskRequest Question(const std::string& id,
                                 const std::string& question) {
    v1::AskRequest request;
    request.add_context_ids(id);
    request.set_question(question);
    return request;
  }

  // One message there and one back, as bytes.
  std::string RawCall(const std::string& method, const std::string& message) {
    grpc::ClientContext context;
    const grpc::Slice slice(message);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    grpc::GenericStub(channel_).UnaryCall(
        &context, method, {}, &request, &response,
        [&done](grpc::Status status) { done.set_value(std::move(status)); });
    EXPECT_THAT(done.get_future().get(), GrpcIs(StatusCode::OK, _));
    grpc::Slice joined;
    EXPECT_TRUE(response.DumpToSingleSlice(&joined).ok());
    return std::string(reinterpret_cast<const char*>(joined.begin()),
                       joined.size());
  }

  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<GrpcServer> grpc_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::GistService::Stub> stub_;
};

TEST_F(GrpcServiceTest, AQuestionIsAnsweredFromADocumentsGists) {
  const std::string id = IdOf(DocumentWith("ABC123"));
  const Answer answer = Ask(Question(id, "What is it?"));
  ASSERT_THAT(answer.status, GrpcIs(StatusCode::OK, _));
  EXPECT_EQ(answer.text, AnswerTo("ABC123", "What is it?"));
  EXPECT_EQ(answer.result.mode_used(), v1::MODE_GIST);
  EXPECT_EQ(answer.result.usage().loaded_slots(), 4);
  EXPECT_EQ(answer.result.usage().document_tokens(), 46);
  EXPECT_EQ(answer.result.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(answer.result.rung_used(), v1::Representation::RUNG_GIST);
  EXPECT_FALSE(answer.result.verdict().refused());
  EXPECT_FALSE(answer.result.verdict().has_confidence());
  EXPECT_EQ(answer.result.verdict().grounded(),
            v1::Verdict::GROUNDED_NOT_CHECKED);
}

TEST_F(GrpcServiceTest, TheFullContextAnswersToo) {
  v1::AskRequest request = Question(IdOf(DocumentWith("ABC123")), "Q");
  request.set_mode(v1::MODE_FULL);
  const Answer answer = Ask(request);
  EXPECT_EQ(answer.text, AnswerTo("ABC123", "Q"));
  EXPECT_EQ(answer.result.mode_used(), v1::MODE_FULL);
  EXPECT_EQ(answer.result.usage().prefilled_tokens(), 46);
  EXPECT_EQ(answer.result.rung_used(), v1::Representation::RUNG_TEXT);
}

TEST_F(GrpcServiceTest, AFullRepresentationIsMadeAndAnswers) {
  v1::CompressRequest request;
  request.set_text(DocumentWith("ABC123"));
  v1::RepresentationSpec& spec = *request.mutable_representation();
  spec.set_rung(v1::Representation::RUNG_FULL);
  spec.set_storage(v1::STORAGE_I8);
  grpc::ClientContext context;
  v1::CompressResponse response;
  ASSERT_THAT(stub_->Compress(&context, request, &response),
              GrpcIs(StatusCode::OK, _));
  const v1::Representation& full = response.representation();
  EXPECT_EQ(full.rung(), v1::Representation::RUNG_FULL);
  EXPECT_EQ(full.storage(), v1::STORAGE_I8);
  EXPECT_EQ(full.kv_slots(), 46);
  EXPECT_EQ(full.ratio(), 1);
  EXPECT_EQ(full.adapter_fingerprint(), "");

  v1::AskRequest ask = Question(response.context().context_id(), "Q");
  ask.set_mode(v1::MODE_FULL);
  const Answer answer = Ask(ask);
  EXPECT_EQ(answer.text, AnswerTo("ABC123", "Q"));
  EXPECT_EQ(answer.result.rung_used(), v1::Representation::RUNG_FULL);
  EXPECT_EQ(answer.result.usage().loaded_slots(), 46);
  EXPECT_EQ(answer.result.usage().prefilled_tokens(), 0);

  spec.set_storage(v1::STORAGE_I4);
  grpc::ClientContext another;
  EXPECT_THAT(stub_->Compress(&another, request, &response),
              GrpcIs(StatusCode::UNIMPLEMENTED, HasSubstr("STORAGE_I4")));
}

TEST_F(GrpcServiceTest, ADocumentIsAddedInChunksAndAnswers) {
  const std::string text = DocumentWith("ABC123", 2000);
  const auto add = [&](size_t chunk_bytes, v1::AddDocumentResponse* response) {
    grpc::ClientContext context;
    const auto writer = stub_->AddDocument(&context, response);
    v1::AddDocumentRequest request;
    request.mutable_retention()->set_pinned(true);
    for (size_t at = 0; at < text.size(); at += chunk_bytes) {
      request.set_chunk(text.substr(at, chunk_bytes));
      writer->Write(request);
      request.clear_retention();
    }
    writer->WritesDone();
    return writer->Finish();
  };
  v1::AddDocumentResponse added;
  ASSERT_THAT(add(1000, &added), GrpcIs(StatusCode::OK, _));
  EXPECT_FALSE(added.cached());
  EXPECT_TRUE(added.context().has_text());
  EXPECT_TRUE(added.context().retention().pinned());
  EXPECT_EQ(added.context().representations_size(), 0);
  EXPECT_EQ(added.context().document_bytes(), int64_t(text.size()));
  EXPECT_GT(added.context().full_kv_bytes(), 0);
  EXPECT_GT(added.timings().total_seconds(), 0);
  EXPECT_THAT(metrics_->Render(), HasSubstr("\ngist_contexts 1\n"));
  v1::AskRequest ask = Question(added.context().context_id(), "Q");
  ask.set_mode(v1::MODE_FULL);
  EXPECT_EQ(Ask(ask).text, AnswerTo("ABC123", "Q"));
  ask.set_mode(v1::MODE_GIST);
  EXPECT_THAT(Ask(ask).status, GrpcIs(StatusCode::FAILED_PRECONDITION,
                                      HasSubstr("gist compress FILE")));
  v1::AddDocumentResponse again;
  ASSERT_THAT(add(text.size(), &again), GrpcIs(StatusCode::OK, _));
  EXPECT_TRUE(again.cached());
  EXPECT_EQ(again.context().context_id(), added.context().context_id());
  EXPECT_THAT(metrics_->Render(), HasSubstr("\ngist_contexts 1\n"));
}

TEST_F(GrpcServiceTest, AServerWithoutAnAdapterSaysSo) {
  HarnessOptions options;
  options.engine.has_adapter = false;
  Serve(options);
  grpc::ClientContext context;
  v1::ServerInfo info;
  ASSERT_THAT(stub_->GetServerInfo(&context, {}, &info),
              GrpcIs(StatusCode::OK, _));
  EXPECT_EQ(info.adapter_name(), "");
  EXPECT_EQ(info.adapter_fingerprint(), "");
  EXPECT_EQ(info.gist_tokens(), 0);
  EXPECT_EQ(info.segment_tokens(), 0);
  v1::CompressResponse response;
  EXPECT_THAT(Compress("text", &response),
              GrpcIs(StatusCode::FAILED_PRECONDITION,
                     HasSubstr("gist train --preset")));
}

TEST_F(GrpcServiceTest, ResponsesCarryEveryField) {
  v1::CompressResponse response;
  ASSERT_THAT(Compress(DocumentWith("ABC123"), &response),
              GrpcIs(StatusCode::OK, _));
  const v1::Context& context = response.context();
  EXPECT_EQ(context.document_bytes(), int64_t(DocumentWith("ABC123").size()));
  EXPECT_EQ(context.document_tokens(), 46);
  EXPECT_EQ(context.full_kv_bytes(), server().engine.model().KvBytes(46));
  EXPECT_EQ(context.model_fingerprint().size(), 64u);
  EXPECT_GT(context.created_unix_ms(), 0);
  EXPECT_TRUE(context.has_text());
  ASSERT_EQ(context.representations_size(), 1);
  const v1::Representation& gists = context.representations(0);
  EXPECT_EQ(gists.rung(), v1::Representation::RUNG_GIST);
  EXPECT_EQ(gists.kv_slots(), 4);
  EXPECT_DOUBLE_EQ(gists.ratio(), 11.5);
  EXPECT_EQ(gists.kv_bytes(), server().engine.model().KvBytes(4));
  EXPECT_EQ(gists.adapter_fingerprint().size(), 64u);
  EXPECT_EQ(gists.created_unix_ms(), context.created_unix_ms());
  EXPECT_GT(gists.build_seconds(), 0);
  EXPECT_FALSE(gists.imported());
  EXPECT_GT(response.timings().prefill_seconds(), 0);
  EXPECT_GT(response.timings().total_seconds(), 0);
}

TEST_F(GrpcServiceTest, ServerInfoNamesLimitsModelAndAdapter) {
  grpc::ClientContext context;
  v1::ServerInfo info;
  ASSERT_THAT(stub_->GetServerInfo(&context, {}, &info),
              GrpcIs(StatusCode::OK, _));
  EXPECT_EQ(info.model_name(), "fake model");
  EXPECT_EQ(info.adapter_name(), "fake adapter");
  EXPECT_EQ(info.device(), "cpu");
  EXPECT_EQ(info.max_context_tokens(), 8192);
  EXPECT_EQ(info.kv_bytes_per_token(), server().engine.model().KvBytes(1));
  EXPECT_EQ(info.gist_tokens(), 4);
  EXPECT_EQ(info.gists_per_block(), 2);
  EXPECT_EQ(info.segment_tokens(), 32);
  EXPECT_EQ(info.max_unary_bytes(), 4 << 20);
  EXPECT_EQ(info.max_document_bytes(), 64 << 20);
  EXPECT_EQ(info.max_document_tokens(), 262144);
  EXPECT_EQ(info.max_contexts_per_ask(), 64);
  EXPECT_FALSE(info.version().empty());
  EXPECT_GT(info.uptime_seconds(), 0);
}

TEST_F(GrpcServiceTest, ChunksMaySplitCharacters) {
  const std::string text = "\xEB\xB9\x84\xEB\xB0\x80 \xF0\x9F\x94\x91 text";
  const std::string id = IdOf(text);
  for (const size_t chunk_bytes : {1, 2, 5, 1000}) {
    const Streamed streamed = CompressStream(text, chunk_bytes);
    ASSERT_THAT(streamed.status, GrpcIs(StatusCode::OK, _));
    EXPECT_EQ(streamed.result.context().context_id(), id);
    EXPECT_TRUE(streamed.result.cached());
  }
}

TEST_F(GrpcServiceTest, ALongDocumentShowsProgressAboutTenTimesASecond) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(1);
  Serve(options);
  const Streamed streamed = CompressStream(DocumentWith("ABC123", 4000), 1000);
  ASSERT_THAT(streamed.status, GrpcIs(StatusCode::OK, _));
  EXPECT_GE(streamed.progress.size(), 2u);
  EXPECT_LE(streamed.progress.size(),
            2 + size_t(streamed.result.timings().total_seconds() * 10));
  int64_t last = 0;
  for (const v1::CompressProgress& step : streamed.progress) {
    EXPECT_GT(step.done_tokens(), last);
    EXPECT_EQ(step.total_tokens(), 4006);
    last = step.done_tokens();
  }
  EXPECT_EQ(last, 4006);
}

TEST_F(GrpcServiceTest, TheStreamedNumberOfGistsIsTheFirstMessages) {
  grpc::ClientContext context;
  const auto stream = stub_->CompressStream(&context);
  v1::CompressStreamRequest request;
  request.mutable_representation()->set_gist_tokens(8);
  request.set_chunk("some ");
  ASSERT_TRUE(stream->Write(request));
  request.mutable_representation()->set_gist_tokens(2);
  request.set_chunk("text");
  ASSERT_TRUE(stream->Write(request));
  stream->WritesDone();
  v1::CompressStreamResponse event;
  while (stream->Read(&event) && !event.has_result()) {
  }
  EXPECT_EQ(event.result().context().representations(0).kv_slots(), 8);
  EXPECT_THAT(stream->Finish(), GrpcIs(StatusCode::OK, _));
}

TEST_F(GrpcServiceTest, AStreamOverTheLimitEndsWhileItIsReceived) {
  HarnessOptions options;
  options.limits.max_document_bytes = 100000;
  Serve(options);
  EXPECT_THAT(CompressStream(std::string(5 << 20, 'a'), 50000).status,
              GrpcIs(StatusCode::RESOURCE_EXHAUSTED, HasSubstr("100000")));
  EXPECT_THAT(CompressStream("", 1).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("is empty")));
}

TEST_F(GrpcServiceTest, UnaryTextsUpToFourMebibytesAreTaken) {
  HarnessOptions options;
  options.limits.max_document_bytes = 64 << 20;
  Serve(options);
  v1::CompressResponse response;
  const std::string text(4 << 20, 'a');  // one word
  EXPECT_THAT(Compress(text, &response), GrpcIs(StatusCode::OK, _));
  EXPECT_THAT(Compress(text + "a", &response),
              GrpcIs(StatusCode::RESOURCE_EXHAUSTED,
                     HasSubstr("send it with CompressStream")));
  EXPECT_THAT(Compress(text + text, &response),
              GrpcIs(StatusCode::RESOURCE_EXHAUSTED, _));
}

TEST_F(GrpcServiceTest, ErrorsKeepTheirCodeAndMessage) {
  v1::CompressResponse response;
  EXPECT_THAT(Compress("", &response),
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("is empty")));
  EXPECT_THAT(Ask(Question("ctx_none", "Q")).status,
              GrpcIs(StatusCode::NOT_FOUND, HasSubstr("ctx_none")));
  const std::string id = IdOf("text");
  EXPECT_THAT(Ask(Question(id, "")).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("question")));
  v1::AskRequest request = Question(id, "Q");
  request.set_max_tokens(9000);
  EXPECT_THAT(Ask(request).status,
              GrpcIs(StatusCode::OUT_OF_RANGE, HasSubstr("9000")));
  request = Question(id, "Q");
  request.set_mode(v1::Mode(17));
  EXPECT_THAT(Ask(request).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("mode is 17")));
  request = Question(id, "Q");
  request.mutable_retrieval()->set_ranking(v1::Ranking(17));
  EXPECT_THAT(Ask(request).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("ranking is 17")));
}

TEST_F(GrpcServiceTest, ReservedNamesAreUnimplementedAndNameThoseThatWork) {
  for (const v1::Mode mode : {v1::MODE_AUTO, v1::MODE_EXTRACT,
                              v1::MODE_SELECTED, v1::MODE_RESTORED}) {
    v1::AskRequest request = Question("ctx_none", "Q");
    request.set_mode(mode);
    EXPECT_THAT(Ask(request).status,
                GrpcIs(StatusCode::UNIMPLEMENTED,
                       AllOf(HasSubstr(v1::Mode_Name(mode)),
                             HasSubstr("MODE_GIST, MODE_FULL, MODE_RAG or "
                                       "MODE_HYBRID"))));
  }
  const auto code_of = [this](const auto& change) {
    v1::CompressRequest request;
    request.set_text("text");
    change(request);
    grpc::ClientContext context;
    v1::CompressResponse response;
    return stub_->Compress(&context, request, &response).error_code();
  };
  using v1::Representation;
  for (const auto rung :
       {Representation::RUNG_RESTORED, Representation::RUNG_SELECTED,
        Representation::RUNG_AUTO}) {
    EXPECT_EQ(code_of([rung](auto& request) {
                request.mutable_representation()->set_rung(rung);
              }),
              StatusCode::UNIMPLEMENTED)
        << Representation::Rung_Name(rung);
  }
  EXPECT_EQ(
      code_of([](auto& request) {
        request.mutable_representation()->set_rung(Representation::RUNG_GIST);
      }),
      StatusCode::OK);
  EXPECT_EQ(
      code_of([](auto& request) {
        request.mutable_representation()->set_rung(Representation::Rung(99));
      }),
      StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of([](auto& request) {
              request.mutable_representation()->set_ratio(10);
            }),
            StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(code_of([](auto& request) {
              request.mutable_retention()->set_max_ratio(10);
            }),
            StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(code_of([](auto& request) {
              request.mutable_retention()->set_max_ratio(0);
            }),
            StatusCode::OK);
}

TEST_F(GrpcServiceTest, AComparisonStreamsItsProgressAndAnswers) {
  v1::CompareRequest request;
  request.add_context_ids(IdOf(DocumentWith("ABC123")));
  request.set_question("Q");
  request.add_modes(v1::MODE_FULL);
  request.add_modes(v1::MODE_GIST);
  grpc::ClientContext context;
  const auto reader = stub_->Compare(&context, request);
  std::vector<std::string> seen;
  v1::CompareSummary summary;
  for (v1::CompareResponse event; reader->Read(&event);) {
    if (event.has_progress()) {
      const auto& progress = event.progress();
      seen.push_back(v1::Mode_Name(progress.mode()) + " begins");
      EXPECT_EQ(progress.done_modes(), int(seen.size()) / 2);
      EXPECT_EQ(progress.total_modes(), 2);
    } else if (event.has_answer()) {
      seen.push_back(v1::Mode_Name(event.answer().mode()));
      EXPECT_FALSE(event.answer().has_error());
      EXPECT_EQ(event.answer().result().mode_used(), event.answer().mode());
    } else {
      seen.push_back("summary");
      summary = event.summary();
    }
  }
  ASSERT_THAT(reader->Finish(), GrpcIs(StatusCode::OK, _));
  EXPECT_THAT(seen,
              testing::ElementsAre("MODE_FULL begins", "MODE_FULL",
                                   "MODE_GIST begins", "MODE_GIST", "summary"));
  ASSERT_EQ(summary.agreements_size(), 1);
  EXPECT_TRUE(summary.agreements(0).equal());
  EXPECT_TRUE(summary.agreements(0).contains());
  EXPECT_TRUE(summary.uncontended());
}

TEST_F(GrpcServiceTest, BytesThatAreNotUtf8AreAnInvalidArgument) {
  EXPECT_THAT(CompressStream("abc\xFF", 2).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("offset 3")));
  v1::CompressResponse response;
  EXPECT_THAT(Compress("abc\xFF", &response),
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("UTF-8")));
  EXPECT_THAT(Ask(Question(IdOf("text"), "Q\xFF")).status,
              GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("UTF-8")));
}

TEST_F(GrpcServiceTest, ContextsAreListedGotAndDeleted) {
  const std::string a = IdOf("text a"), b = IdOf("text b");
  {
    grpc::ClientContext context;
    v1::ListContextsRequest request;
    request.set_page_size(1);
    v1::ListContextsResponse page;
    ASSERT_THAT(stub_->ListContexts(&context, request, &page),
                GrpcIs(StatusCode::OK, _));
    ASSERT_EQ(page.contexts_size(), 1);
    EXPECT_EQ(page.contexts(0).context_id(), std::min(a, b));
    EXPECT_FALSE(page.next_page_token().empty());
  }
  v1::DeleteContextRequest deletion;
  deletion.set_context_id(a);
  {
    grpc::ClientContext context;
    v1::DeleteContextResponse deleted;
    EXPECT_THAT(stub_->DeleteContext(&context, deletion, &deleted),
                GrpcIs(StatusCode::OK, _));
  }
  for (const auto& [id, code] :
       {std::pair(a, StatusCode::NOT_FOUND), std::pair(b, StatusCode::OK)}) {
    grpc::ClientContext context;
    v1::GetContextRequest request;
    request.set_context_id(id);
    v1::Context got;
    EXPECT_THAT(stub_->GetContext(&context, request, &got), GrpcIs(code, _));
  }
}

TEST_F(GrpcServiceTest, AnExportedFileImportsElsewhere) {
  const std::string id = IdOf(DocumentWith("ABC123", 200000));
  std::string file;
  int chunks = 0;
  {
    grpc::ClientContext context;
    v1::ExportContextRequest request;
    request.set_context_id(id);
    const auto reader = stub_->ExportContext(&context, request);
    for (v1::ExportContextResponse part; reader->Read(&part); ++chunks) {
      EXPECT_LE(part.chunk().size(), 1u << 20);
      file += part.chunk();
    }
    EXPECT_THAT(reader->Finish(), GrpcIs(StatusCode::OK, _));
  }
  EXPECT_EQ(chunks, 2);  // 1.4 MB of text and its gists
  grpc::ClientContext delete_context;
  v1::DeleteContextRequest deletion;
  v1::DeleteContextResponse deleted;
  deletion.set_context_id(id);
  ASSERT_TRUE(stub_->DeleteContext(&delete_context, deletion, &deleted).ok());

  grpc::ClientContext context;
  v1::Context imported;
  const auto writer = stub_->ImportContext(&context, &imported);
  v1::ImportContextRequest request;
  for (size_t at = 0; at < file.size(); at += 100000) {
    request.set_chunk(file.substr(at, 100000));
    ASSERT_TRUE(writer->Write(request));
  }
  writer->WritesDone();
  ASSERT_THAT(writer->Finish(), GrpcIs(StatusCode::OK, _));
  EXPECT_EQ(imported.context_id(), id);
  EXPECT_TRUE(imported.representations(0).imported());
  EXPECT_THAT(Ask(Question(id, "Q")).text, HasSubstr("ABC123"));
}

TEST_F(GrpcServiceTest, ADeadlineStopsACompressWithinAStep) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(2);
  Serve(options);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(100));
  v1::CompressRequest request;
  request.set_text(DocumentWith("ABC123", 16000));  // 1,000 steps
  v1::CompressResponse response;
  EXPECT_THAT(stub_->Compress(&context, request, &response),
              GrpcIs(StatusCode::DEADLINE_EXCEEDED, _));
  server().scheduler.Drain(std::chrono::minutes(1));
  EXPECT_LT(counts().prefills, 500);
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

TEST_F(GrpcServiceTest, ACancelledAskStopsDecoding) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(2);
  Serve(options);
  std::string question;
  for (int i = 0; i < 1000; ++i) question += "word ";
  v1::AskRequest request = Question(IdOf("text"), question);
  request.set_max_tokens(2000);
  grpc::ClientContext context;
  const auto reader = stub_->Ask(&context, request);
  v1::AskResponse event;
  ASSERT_TRUE(reader->Read(&event));
  context.TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_THAT(reader->Finish(), GrpcIs(StatusCode::CANCELLED, _));
  server().scheduler.Drain(std::chrono::minutes(1));
  EXPECT_LT(counts().decodes, 500);
}

TEST_F(GrpcServiceTest, EightClientsAtATimeEachGetTheirOwnAnswer) {
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      const std::string passkey = "KEY10" + std::to_string(client);
      const std::string text = DocumentWith(passkey, 100);
      const Streamed streamed = CompressStream(text, 64);
      const Answer answer =
          Ask(Question(streamed.result.context().context_id(), "Q " + passkey));
      if (answer.text == AnswerTo(passkey, "Q " + passkey)) ++right;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(counts().overlapping_calls, 0);
}

TEST_F(GrpcServiceTest, ABusyPortIsAClearError) {
  Metrics metrics;
  EXPECT_THAT(
      GrpcServer::Start({server().pipeline}, metrics,
                        {.listen = grpc_->address()})
          .status(),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr(grpc_->address()), HasSubstr("--listen"))));
}

TEST_F(GrpcServiceTest, ShutdownEndsWhatRunsAndRefusesMore) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(2);
  Serve(options);
  std::thread client([&] {
    v1::CompressResponse response;
    EXPECT_THAT(Compress(DocumentWith("ABC123", 160000), &response),
                GrpcIs(StatusCode::UNAVAILABLE, HasSubstr("shutting down")));
  });
  while (counts().prefills == 0) std::this_thread::yield();
  grpc_->StopServing();
  server().scheduler.Drain(std::chrono::milliseconds(10));
  client.join();
  v1::CompressResponse response;
  EXPECT_THAT(Compress("text", &response),
              GrpcIs(StatusCode::UNAVAILABLE, HasSubstr("shutting down")));
  grpc_->Shutdown();
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

TEST_F(GrpcServiceTest, ShutdownDoesNotWaitForAClientWhoNeverFinishesSending) {
  grpc::ClientContext context;
  const auto stream = stub_->CompressStream(&context);
  v1::CompressStreamRequest request;
  request.set_chunk("a beginning");
  ASSERT_TRUE(stream->Write(request));
  grpc_->Shutdown();
  v1::CompressStreamResponse event;
  while (stream->Read(&event)) {
  }
  EXPECT_FALSE(stream->Finish().ok());
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

TEST_F(GrpcServiceTest, HealthFollowsTheServersLife) {
  const std::string method = "/grpc.health.v1.Health/Check";
  const std::string all, ours = "\x0A\x13gist.v1.GistService";
  for (const std::string& request : {all, ours}) {
    EXPECT_EQ(RawCall(method, request), "\x08\x01");  // SERVING
  }
  grpc_->StopServing();
  EXPECT_EQ(RawCall(method, all), "\x08\x01");   // it lives
  EXPECT_EQ(RawCall(method, ours), "\x08\x02");  // NOT_SERVING
}

TEST_F(GrpcServiceTest, ReflectionNamesTheService) {
  const std::string list_services = "\x3A\x01*";
  EXPECT_THAT(
      RawCall("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              list_services),
      HasSubstr("gist.v1.GistService"));
}

TEST_F(GrpcServiceTest, MetricsCountWhatHappened) {
  const std::string id = IdOf(DocumentWith("ABC123"));
  IdOf(DocumentWith("ABC123"));  // cached
  Ask(Question(id, "What?"));
  Ask(Question("ctx_none", "What?"));
  grpc_->Shutdown();  // a call is counted a moment after its client hears
  const std::string page = metrics_->Render();
  for (const char* line :
       {"gist_requests_total{code=\"OK\",rpc=\"Compress\"} 2\n",
        "gist_requests_total{code=\"NOT_FOUND\",rpc=\"Ask\"} 1\n",
        "gist_request_duration_seconds_count{mode=\"gist\",rpc=\"Ask\"} 2\n",
        "gist_time_to_first_token_seconds_count{mode=\"gist\",rpc=\"Ask\"} 1\n",
        "gist_inter_token_seconds_count{mode=\"gist\",rpc=\"Ask\"} 4\n",
        "gist_request_queue_seconds_count{mode=\"compress\",rpc=\"Compress\"} "
        "1\n",
        "gist_answer_kv_bytes_count{mode=\"gist\"} 1\n",
        "gist_compression_ratio_sum 11.5\n",  // 46 tokens, 4 gists
        "gist_cache_lookups_total{result=\"hit\",tier=\"store\"} 1\n",
        "gist_cache_lookups_total{result=\"miss\",tier=\"store\"} 1\n",
        "gist_prompt_tokens_total{mode=\"gist\"} 9\n",  // 3 + 4 + 2
        "gist_answer_tokens_total{mode=\"gist\"} 5\n",
        "gist_documents_compressed_total 1\n",
        "gist_document_tokens_total 46\n", "gist_contexts 1\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST_F(GrpcServiceTest, AContextIsKeptAsTheCallersSay) {
  v1::CompressRequest request;
  request.set_text("The secret passkey is ABC123 .");
  request.mutable_retention()->set_ttl_seconds(60);
  v1::CompressResponse compressed;
  {
    grpc::ClientContext context;
    ASSERT_THAT(stub_->Compress(&context, request, &compressed),
                GrpcIs(StatusCode::OK, _));
  }
  const int64_t now = server().clock.UnixMillis();
  EXPECT_EQ(compressed.context().retention().expire_unix_ms(), now + 60'000);
  EXPECT_FALSE(compressed.context().retention().pinned());
  EXPECT_EQ(compressed.context().used_unix_ms(), now);

  v1::UpdateContextRequest update;
  update.set_context_id(compressed.context().context_id());
  update.mutable_retention()->set_expire_unix_ms(0);
  update.mutable_retention()->set_pinned(true);
  v1::Context updated;
  {
    grpc::ClientContext context;
    ASSERT_THAT(stub_->UpdateContext(&context, update, &updated),
                GrpcIs(StatusCode::OK, _));
  }
  EXPECT_EQ(updated.retention().expire_unix_ms(), 0);
  EXPECT_TRUE(updated.retention().pinned());
  update.mutable_retention()->set_ttl_seconds(-1);
  {
    grpc::ClientContext context;
    EXPECT_THAT(
        stub_->UpdateContext(&context, update, &updated),
        GrpcIs(StatusCode::INVALID_ARGUMENT, HasSubstr("ttl_seconds is -1")));
  }
  v1::ServerInfo info;
  grpc::ClientContext context;
  EXPECT_THAT(stub_->GetServerInfo(&context, {}, &info),
              GrpcIs(StatusCode::OK, _));
  EXPECT_EQ(info.contexts(), 1);
  EXPECT_GT(info.store_bytes(), 0);
}

TEST_F(GrpcServiceTest, WithoutAFolderThereAreNoBackups) {
  grpc::ClientContext creating, listing;
  v1::Backup backup;
  v1::ListBackupsResponse backups;
  const auto refused =
      GrpcIs(StatusCode::FAILED_PRECONDITION, HasSubstr("--backup-dir"));
  EXPECT_THAT(stub_->CreateBackup(&creating, {}, &backup), refused);
  EXPECT_THAT(stub_->ListBackups(&listing, {}, &backups), refused);
}

}  // namespace
}  // namespace gist
