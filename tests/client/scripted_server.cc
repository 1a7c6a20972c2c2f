#include "tests/client/scripted_server.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace gist::client {

ScriptedServer::ScriptedServer() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(this);
  builder.RegisterService(&training);
  server_ = builder.BuildAndStart();
  target_ = "127.0.0.1:" + std::to_string(port);
}

ScriptedServer::~ScriptedServer() {
  server_->Shutdown(std::chrono::system_clock::now());
}

bool ScriptedServer::WaitForCancel() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(5),
                           [this] { return cancelled_; });
}

grpc::Status ScriptedServer::End(const std::string& method) {
  const std::map<std::string, grpc::Status> errors = script->errors;
  const auto error = errors.find(method);
  return error == errors.end() ? grpc::Status::OK : error->second;
}

grpc::Status ScriptedServer::AddDocument(
    Context*, grpc::ServerReader<v1::AddDocumentRequest>* reader,
    v1::AddDocumentResponse* response) {
  std::vector<v1::AddDocumentRequest> messages(1);
  std::string text;
  while (reader->Read(&messages.back())) {
    text += messages.back().chunk();
    received->KeepSize(messages.back().chunk());
    messages.resize(2);
  }
  received->add.push_back(messages.front());
  received->added.push_back(text);
  *response = script->add;
  return End("AddDocument");
}

grpc::Status ScriptedServer::Compress(Context*,
                                      const v1::CompressRequest* request,
                                      v1::CompressResponse* response) {
  received->compress.push_back(*request);
  const auto reply = script->on_compress;
  *response = reply ? reply(*request) : script->compress;
  return End("Compress");
}

grpc::Status ScriptedServer::CompressStream(
    Context*, grpc::ServerReaderWriter<v1::CompressStreamResponse,
                                       v1::CompressStreamRequest>* stream) {
  ++received->compress_streams;
  v1::CompressStreamRequest request;
  while (stream->Read(&request)) {
    received->stream_gist_tokens.push_back(
        request.representation().gist_tokens());
    received->streamed_text += request.chunk();
    received->KeepSize(request.chunk());
    if (script->errors.contains("CompressStreamEarly")) {
      return End("CompressStreamEarly");
    }
  }
  v1::CompressStreamResponse response;
  for (const v1::CompressProgress& progress : script->progress) {
    *response.mutable_progress() = progress;
    stream->Write(response);
  }
  *response.mutable_result() = script->compress;
  if (!script->leave_out_last_message) stream->Write(response);
  return End("CompressStream");
}

grpc::Status ScriptedServer::Ask(Context* context,
                                 const v1::AskRequest* request,
                                 grpc::ServerWriter<v1::AskResponse>* writer) {
  received->ask.push_back(*request);
  v1::AskResponse response;
  for (const std::string& piece : script->answer) {
    response.set_text(piece);
    writer->Write(response);
  }
  if (script->hang_after_answer) {
    while (!context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
    return grpc::Status::CANCELLED;
  }
  *response.mutable_result() = script->result;
  if (!script->leave_out_last_message) writer->Write(response);
  return End("Ask");
}

grpc::Status ScriptedServer::Compare(
    Context*, const v1::CompareRequest* request,
    grpc::ServerWriter<v1::CompareResponse>* writer) {
  received->compare.push_back(*request);
  const auto reply = script->on_compare;
  if (!reply) return {grpc::StatusCode::UNIMPLEMENTED, "no script"};
  std::vector<v1::CompareResponse> messages = reply(*request);
  if (script->leave_out_last_message) messages.pop_back();
  for (const v1::CompareResponse& message : messages) writer->Write(message);
  return End("Compare");
}

grpc::Status ScriptedServer::GetContext(Context*,
                                        const v1::GetContextRequest* request,
                                        v1::Context* response) {
  for (const v1::Context& context : script->contexts) {
    if (context.context_id() != request->context_id()) continue;
    *response = context;
    return End("GetContext");
  }
  return {grpc::StatusCode::NOT_FOUND, "no context " + request->context_id()};
}

grpc::Status ScriptedServer::ListContexts(
    Context*, const v1::ListContextsRequest* request,
    v1::ListContextsResponse* response) {
  received->list.push_back(*request);
  const size_t page = size_t(script->contexts_per_page);
  size_t at =
      request->page_token().empty() ? 0 : std::stoul(request->page_token());
  for (size_t i = 0; i < page && at < script->contexts.size(); ++i) {
    *response->add_contexts() = script->contexts[at++];
  }
  if (at < script->contexts.size()) {
    response->set_next_page_token(std::to_string(at));
  }
  if (script->repeat_page_token) response->set_next_page_token("1");
  return End("ListContexts");
}

grpc::Status ScriptedServer::DeleteContext(
    Context*, const v1::DeleteContextRequest* request,
    v1::DeleteContextResponse*) {
  const grpc::Status end = End("Delete " + request->context_id());
  if (end.ok()) received->deleted.push_back(request->context_id());
  return end;
}

grpc::Status ScriptedServer::UpdateContext(
    Context*, const v1::UpdateContextRequest* request, v1::Context* response) {
  received->updates.push_back(*request);
  *response = FullContext();
  return End("UpdateContext");
}

grpc::Status ScriptedServer::CreateBackup(Context*,
                                          const v1::CreateBackupRequest*,
                                          v1::Backup* response) {
  ++received->backups;
  *response = FullBackup();
  return End("CreateBackup");
}

grpc::Status ScriptedServer::ListBackups(Context*,
                                         const v1::ListBackupsRequest*,
                                         v1::ListBackupsResponse* response) {
  *response->add_backups() = FullBackup();
  return End("ListBackups");
}

grpc::Status ScriptedServer::ExportContext(
    Context*, const v1::ExportContextRequest* request,
    grpc::ServerWriter<v1::ExportContextResponse>* writer) {
  received->exports.push_back(*request);
  v1::ExportContextResponse response;
  for (const std::string& chunk : script->export_chunks) {
    response.set_chunk(chunk);
    writer->Write(response);
  }
  return End("ExportContext");
}

grpc::Status ScriptedServer::ImportContext(
    Context*, grpc::ServerReader<v1::ImportContextRequest>* reader,
    v1::Context* response) {
  v1::ImportContextRequest request;
  while (reader->Read(&request)) {
    received->imported += request.chunk();
    received->KeepSize(request.chunk());
  }
  *response = FullContext();
  return End("ImportContext");
}

grpc::Status ScriptedServer::GetServerInfo(Context* context,
                                           const v1::GetServerInfoRequest*,
                                           v1::ServerInfo* response) {
  const auto [first, last] =
      context->client_metadata().equal_range("authorization");
  for (auto header = first; header != last; ++header) {
    received->authorization.emplace_back(header->second.data(),
                                         header->second.size());
  }
  *response = script->info;
  return End("GetServerInfo");
}

namespace {

v1::Usage FullUsage() {
  v1::Usage usage;
  usage.set_documents(1);
  usage.set_document_tokens(1'024);
  usage.set_prefix_tokens(24);
  usage.set_loaded_slots(10);
  usage.set_prefilled_tokens(7);
  usage.set_cached_tokens(3);
  usage.set_truncated_tokens(9);
  usage.set_question_tokens(12);
  usage.set_answer_tokens(5);
  usage.set_kv_bytes(230'400);
  usage.set_full_kv_bytes(23'592'960);
  usage.set_compression_ratio(102.4);
  return usage;
}

v1::Timings FullTimings() {
  v1::Timings timings;
  timings.set_queue_seconds(0.01);
  timings.set_tokenize_seconds(0.015);
  timings.set_load_seconds(0.02);
  timings.set_index_seconds(0.04);
  timings.set_search_seconds(0.05);
  timings.set_prefill_seconds(0.03);
  timings.set_build_seconds(0.06);
  timings.set_store_seconds(0.07);
  timings.set_first_token_seconds(0.21);
  timings.set_decode_seconds(0.27);
  timings.set_total_seconds(0.48);
  return timings;
}

v1::CompareResponse Answered(v1::Mode mode, const std::string& answer) {
  v1::CompareResponse message;
  message.mutable_answer()->set_mode(mode);
  message.mutable_answer()->set_answer(answer);
  *message.mutable_answer()->mutable_result() = FullResult();
  return message;
}

}  // namespace

v1::Context FullContext() {
  v1::Context context;
  context.set_context_id("ctx_0123456789abcdef0123456789abcdef");
  context.set_document_id(std::string(64, 'd'));
  context.set_document_bytes(5'000);
  context.set_document_tokens(1'024);
  context.set_full_kv_bytes(23'592'960);
  context.set_model_fingerprint(std::string(64, 'a'));
  context.set_created_unix_ms(1'700'000'000'123);
  context.set_has_text(true);
  context.set_used_unix_ms(1'750'000'000'000);
  v1::Representation& gists = *context.add_representations();
  gists.set_rung(v1::Representation::RUNG_GIST);
  gists.set_ratio(102.4);
  gists.set_storage(v1::STORAGE_F16);
  gists.set_kv_slots(10);
  gists.set_kv_bytes(230'400);
  gists.set_adapter_fingerprint(std::string(64, 'b'));
  gists.set_created_unix_ms(1'700'000'000'456);
  gists.set_build_seconds(2.5);
  gists.set_imported(true);
  context.mutable_retention()->set_expire_unix_ms(1'800'000'000'000);
  context.mutable_retention()->set_pinned(true);
  context.mutable_retention()->set_max_ratio(64);
  return context;
}

v1::AddDocumentResponse FullAddResponse() {
  v1::AddDocumentResponse response;
  *response.mutable_context() = FullContext();
  response.set_cached(true);
  *response.mutable_timings() = FullTimings();
  return response;
}

v1::CompressResponse FullCompressResponse() {
  v1::CompressResponse response;
  *response.mutable_context() = FullContext();
  *response.mutable_representation() = response.context().representations(0);
  response.set_cached(true);
  *response.mutable_usage() = FullUsage();
  *response.mutable_timings() = FullTimings();
  return response;
}

v1::AskResult FullResult() {
  v1::AskResult result;
  result.set_mode_used(v1::MODE_GIST);
  result.set_rung_used(v1::Representation::RUNG_GIST);
  result.set_finish_reason(v1::FINISH_REASON_STOP);
  v1::Verdict& verdict = *result.mutable_verdict();
  verdict.set_refused(true);
  verdict.set_confidence(0.75);
  verdict.set_grounded(v1::Verdict::GROUNDED_NOT_CHECKED);
  v1::Evidence& evidence = *verdict.add_evidence();
  evidence.set_context_id("ctx_00000000000000000000000000000002");
  evidence.set_begin(7);
  evidence.set_end(12);
  evidence.set_text("proof");
  *result.mutable_usage() = FullUsage();
  *result.mutable_timings() = FullTimings();
  result.set_model_fingerprint(std::string(64, 'a'));
  result.add_adapter_fingerprints(std::string(64, 'b'));
  result.set_answer_adapter_fingerprint(std::string(64, 'f'));
  result.set_embedder_fingerprint(std::string(64, 'e'));
  v1::RetrievedChunk& chunk = *result.add_chunks();
  chunk.set_context_id("ctx_00000000000000000000000000000001");
  chunk.set_begin(5);
  chunk.set_end(25);
  chunk.set_similarity(0.5);
  chunk.set_bm25(1.5);
  chunk.set_text("a passage of 20 byte");
  return result;
}

std::vector<v1::CompareResponse> FullCompareResponses() {
  std::vector<v1::CompareResponse> messages(1);
  messages[0].mutable_progress()->set_mode(v1::MODE_GIST);
  messages[0].mutable_progress()->set_total_modes(3);
  messages.push_back(Answered(v1::MODE_GIST, "ABC123"));
  messages.back().mutable_answer()->set_peak_memory_bytes(2'000'000);
  v1::ModeAnswer& full = *messages.emplace_back().mutable_answer();
  full.set_mode(v1::MODE_FULL);
  full.mutable_error()->set_code(int(grpc::StatusCode::OUT_OF_RANGE));
  full.mutable_error()->set_message("too long");
  full.mutable_error()->set_reason("CONTEXT_WINDOW_EXCEEDED");
  messages.push_back(
      Answered(v1::MODE_RAG, "The key\nis long: " + std::string(80, 'x')));
  v1::Agreement& agreement =
      *messages.emplace_back().mutable_summary()->add_agreements();
  agreement.set_a(v1::MODE_GIST);
  agreement.set_b(v1::MODE_RAG);
  agreement.set_contains(true);
  agreement.set_f1(0.25);
  return messages;
}

v1::Backup FullBackup() {
  v1::Backup backup;
  backup.set_name("backup-000007");
  backup.set_created_unix_ms(1'750'000'000'000);
  backup.set_backup_bytes(123'000'000);
  backup.set_files(31);
  return backup;
}

v1::ServerInfo FullServerInfo() {
  v1::ServerInfo info;
  info.set_version("0.1.0");
  info.set_model_name("Tiny");
  info.set_model_fingerprint(std::string(64, 'a'));
  info.set_device("cpu");
  info.set_max_context_tokens(8'192);
  info.set_kv_bytes_per_token(23'040);
  info.set_weight_bytes(90'000'000);
  info.set_adapter_name("seed");
  info.set_answer_adapter_name("answer");
  info.set_answer_adapter_fingerprint(std::string(64, 'f'));
  info.set_adapter_fingerprint(std::string(64, 'b'));
  info.set_gist_tokens(10);
  info.set_gists_per_block(2);
  info.set_segment_tokens(256);
  info.set_max_unary_bytes(4 << 20);
  info.set_max_document_bytes(64 << 20);
  info.set_max_document_tokens(1'000'000);
  info.set_max_contexts_per_ask(64);
  info.set_max_store_bytes(2'000'000'000);
  info.set_max_contexts(1000);
  info.set_store_bytes(123'000'000);
  info.set_contexts(42);
  info.set_uptime_seconds(75);
  return info;
}

}  // namespace gist::client
