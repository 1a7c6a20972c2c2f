// A gRPC server in this process that keeps what it was sent and replies by
// script. No pipeline behind it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gist/v1/gist.grpc.pb.h"
#include "grpcpp/server.h"
#include "tests/client/cli/guarded.h"
#include "tests/client/scripted_training.h"

namespace gist::client {

// Set the script before a call; read what was received after it.
struct Script {
  // By method name ("Ask"): the call's end, after the messages below.
  std::map<std::string, grpc::Status> errors;
  v1::AddDocumentResponse add;
  v1::CompressResponse compress;
  // If set, in place of `compress`; and the messages of Compare's reply.
  std::function<v1::CompressResponse(const v1::CompressRequest&)> on_compress;
  std::function<std::vector<v1::CompareResponse>(const v1::CompareRequest&)>
      on_compare;
  std::vector<v1::CompressProgress> progress;
  bool leave_out_last_message = false;  // of each stream
  std::vector<std::string> answer;      // pieces
  v1::AskResult result;
  bool hang_after_answer = false;  // until the client goes away
  std::vector<v1::Context> contexts;
  int contexts_per_page = 2;
  bool repeat_page_token = false;
  std::vector<std::string> export_chunks;
  v1::ServerInfo info;
};

struct Received {
  std::vector<v1::AddDocumentRequest> add;  // first messages
  std::vector<std::string> added;           // texts
  std::vector<v1::CompressRequest> compress;
  int compress_streams = 0;
  std::vector<int> stream_gist_tokens;  // of each CompressStream message
  std::string streamed_text;
  size_t largest_chunk_bytes = 0;
  std::vector<v1::AskRequest> ask;
  std::vector<v1::CompareRequest> compare;
  std::vector<v1::ListContextsRequest> list;
  std::vector<std::string> deleted;
  std::vector<v1::UpdateContextRequest> updates;
  int backups = 0;
  std::vector<v1::ExportContextRequest> exports;
  std::string imported;
  std::vector<std::string> authorization;  // headers of GetServerInfo

  void KeepSize(const std::string& chunk) {
    largest_chunk_bytes = std::max(largest_chunk_bytes, chunk.size());
  }
};

class ScriptedServer final : public v1::GistService::Service {
 public:
  ScriptedServer();
  ~ScriptedServer() override;

  const std::string& target() const { return target_; }
  // Waits until a call that hangs by script was cancelled by the client; false
  // after five seconds.
  bool WaitForCancel();

  Guarded<Script> script;
  Guarded<Received> received;
  ScriptedTraining training;

 private:
  using Context = grpc::ServerContext;

  grpc::Status AddDocument(Context*,
                           grpc::ServerReader<v1::AddDocumentRequest>*,
                           v1::AddDocumentResponse*) override;
  grpc::Status Compress(Context*, const v1::CompressRequest*,
                        v1::CompressResponse*) override;
  grpc::Status CompressStream(
      Context*, grpc::ServerReaderWriter<v1::CompressStreamResponse,
                                         v1::CompressStreamRequest>*) override;
  grpc::Status Ask(Context*, const v1::AskRequest*,
                   grpc::ServerWriter<v1::AskResponse>*) override;
  grpc::Status Compare(Context*, const v1::CompareRequest*,
                       grpc::ServerWriter<v1::CompareResponse>*) override;
  grpc::Status GetContext(Context*, const v1::GetContextRequest*,
                          v1::Context*) override;
  grpc::Status ListContexts(Context*, const v1::ListContextsRequest*,
                            v1::ListContextsResponse*) override;
  grpc::Status DeleteContext(Context*, const v1::DeleteContextRequest*,
                             v1::DeleteContextResponse*) override;
  grpc::Status UpdateContext(Context*, const v1::UpdateContextRequest*,
                             v1::Context*) override;
  grpc::Status CreateBackup(Context*, const v1::CreateBackupRequest*,
                            v1::Backup*) override;
  grpc::Status ListBackups(Context*, const v1::ListBackupsRequest*,
                           v1::ListBackupsResponse*) override;
  grpc::Status ExportContext(
      Context*, const v1::ExportContextRequest*,
      grpc::ServerWriter<v1::ExportContextResponse>*) override;
  grpc::Status ImportContext(Context*,
                             grpc::ServerReader<v1::ImportContextRequest>*,
                             v1::Context*) override;
  grpc::Status GetServerInfo(Context*, const v1::GetServerInfoRequest*,
                             v1::ServerInfo*) override;

  grpc::Status End(const std::string& method);

  std::string target_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;  // guarded by mutex_
};

// A context in which every field is set, each to another value.
v1::Context FullContext();
v1::AddDocumentResponse FullAddResponse();
v1::CompressResponse FullCompressResponse();
v1::AskResult FullResult();
// A mode that begins, three answers (one is an error), the summary.
std::vector<v1::CompareResponse> FullCompareResponses();
v1::ServerInfo FullServerInfo();
v1::Backup FullBackup();

}  // namespace gist::client
