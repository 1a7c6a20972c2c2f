#include "server/grpc/service.h"

#include <chrono>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "gist/v1/gist.grpc.pb.h"
#include "gist/v1/training.grpc.pb.h"
#include "grpc/support/log.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/support/server_interceptor.h"
#include "server/grpc/health.h"
#include "server/grpc/proto_convert.h"
#include "server/grpc/record_work.h"
#include "server/grpc/rpc.h"
#include "server/support/errors.h"
#include "server/support/set_once.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

constexpr int kSlackBytes = 64 << 10;    // of a message, over kMaxUnaryBytes
constexpr size_t kChunkBytes = 1 << 20;  // of an exported file
constexpr std::chrono::milliseconds kProgressInterval{100};
constexpr std::chrono::seconds kLastCalls{1};

// A request that does not parse never reaches the service: gRPC answers it with
// INTERNAL and no message. It is the client's mistake, nearly always bytes that
// are not UTF-8 in a string field, and is answered as such; who may not call is
// told that alone.
class UnparsedRequests final : public grpc::experimental::Interceptor {
 public:
  UnparsedRequests(const Gate& gate, grpc::experimental::ServerRpcInfo& call)
      : gate_(gate), call_(call) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* call) override {
    using grpc::experimental::InterceptionHookPoints;
    if (call->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = call->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::INTERNAL &&
          status.error_message().empty()) {
        Principal who;
        const absl::Status admitted =
            gate_.Admit(call_.method(), *call_.server_context(), who);
        call->ModifySendStatus(ToGrpc(
            admitted.ok() ? Error(Reason::kRequestMalformed,
                                  "the request is not a message of gist.v1: "
                                  "text, question and ids are UTF-8")
                          : admitted));
      }
    }
    call->Proceed();
  }

 private:
  const Gate& gate_;
  grpc::experimental::ServerRpcInfo& call_;
};

class UnparsedRequestsFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit UnparsedRequestsFactory(const Gate& gate) : gate_(gate) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    return new UnparsedRequests(gate_, *call);  // gRPC owns it
  }

 private:
  const Gate& gate_;
};

// Linking gRPC's reflection brings it into every server; this takes it out.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) {
      return plugin->name() == "proto_server_reflection";
    });
  }
};

absl::Status NoBackups() {
  return Error(
      Reason::kNoBackupFolder,
      "this server has no folder for backups; start gistd with --backup-dir");
}

// gRPC's own errors, as lines of our log. Where its words may hold what a
// caller sent, a header for one, the place in its source has to do.
void LogForGrpc(gpr_log_func_args* args) {
  if (args->severity < GPR_LOG_SEVERITY_ERROR) return;
  const std::string_view file = args->file;
  const bool is_tls = file.ends_with("ssl_transport_security.cc");
  SPDLOG_WARN("grpc source={}:{}{}", file.substr(file.rfind('/') + 1),
              args->line,
              is_tls ? fmt::format(" error={:?}", args->message) : "");
}

// The synchronous API: a call holds its thread until it is done. The threads
// wait for the scheduler nearly all of the time, and their number is bounded.
class Service final : public v1::GistService::Service {
 public:
  Service(Metrics& metrics, const Gate& gate)
      : metrics_(metrics),
        rules_{v1::GistService::service_full_name(), gate, metrics} {}

  void Open(const ServedParts& parts) { parts_.Set(parts); }

  grpc::Status AddDocument(grpc::ServerContext* context,
                           grpc::ServerReader<v1::AddDocumentRequest>* reader,
                           v1::AddDocumentResponse* response) override {
    return Serve(
        "AddDocument", *context, [&](const Caller& caller) -> absl::Status {
          absl::StatusOr<AddInput> input = AddInput();
          GIST_ASSIGN_OR_RETURN(
              std::string text,
              ReadChunks<v1::AddDocumentRequest>(
                  *reader, pipeline().limits().max_document_bytes, caller,
                  [&](auto& first) { input = FromProto(first); }));
          GIST_RETURN_IF_ERROR(input.status());
          input->text = std::move(text);
          GIST_ASSIGN_OR_RETURN(const AddResult result,
                                pipeline().Add(*input, caller));
          RecordWork(result, *caller.record, metrics_);
          ToProto(result, response);
          return absl::OkStatus();
        });
  }

  grpc::Status Compress(grpc::ServerContext* context,
                        const v1::CompressRequest* request,
                        v1::CompressResponse* response) override {
    return Serve(
        "Compress", *context, [&](const Caller& caller) -> absl::Status {
          if (request->text().size() > size_t(kMaxUnaryBytes)) {
            return Error(Reason::kDocumentTooLarge,
                         fmt::format("the document has {} bytes, Compress "
                                     "takes {}; send it with "
                                     "CompressStream",
                                     request->text().size(), kMaxUnaryBytes));
          }
          GIST_ASSIGN_OR_RETURN(CompressInput input, CompressInputOf(*request));
          input.text = request->text();
          return CompressInto(input, caller, {}, response);
        });
  }

  grpc::Status CompressStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::CompressStreamResponse,
                               v1::CompressStreamRequest>* stream) override {
    return Serve("CompressStream", *context, [&](const Caller& caller) {
      return CompressStreamed(*stream, caller);
    });
  }

  grpc::Status Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                   grpc::ServerWriter<v1::AskResponse>* writer) override {
    return Serve("Ask", *context, [&](const Caller& caller) {
      return AskStreamed(*request, *writer, caller);
    });
  }

  grpc::Status Compare(
      grpc::ServerContext* context, const v1::CompareRequest* request,
      grpc::ServerWriter<v1::CompareResponse>* writer) override {
    return Serve("Compare", *context, [&](const Caller& caller) {
      return CompareStreamed(*request, *writer, caller);
    });
  }

  grpc::Status GetContext(grpc::ServerContext* context,
                          const v1::GetContextRequest* request,
                          v1::Context* response) override {
    return Serve(
        "GetContext", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(
              const auto info,
              pipeline().Get(request->context_id(), caller.principal.tenant));
          ToProto(info, response);
          return absl::OkStatus();
        });
  }

  grpc::Status ListContexts(grpc::ServerContext* context,
                            const v1::ListContextsRequest* request,
                            v1::ListContextsResponse* response) override {
    return Serve(
        "ListContexts", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(
              const auto page,
              pipeline().List(request->page_size(), request->page_token(),
                              caller.principal.tenant));
          for (const ContextInfo& info : page.contexts) {
            ToProto(info, response->add_contexts());
          }
          response->set_next_page_token(page.next_page_token);
          return absl::OkStatus();
        });
  }

  grpc::Status UpdateContext(grpc::ServerContext* context,
                             const v1::UpdateContextRequest* request,
                             v1::Context* response) override {
    return Serve(
        "UpdateContext", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(const RetentionPolicy policy,
                                FromProto(request->retention()));
          GIST_ASSIGN_OR_RETURN(
              const auto info,
              pipeline().Update(request->context_id(), policy, caller));
          ToProto(info, response);
          return absl::OkStatus();
        });
  }

  grpc::Status DeleteContext(grpc::ServerContext* context,
                             const v1::DeleteContextRequest* request,
                             v1::DeleteContextResponse*) override {
    return Serve("DeleteContext", *context,
                 [&](const Caller& caller) -> absl::Status {
                   GIST_RETURN_IF_ERROR(pipeline().Delete(
                       request->context_id(), caller.principal.tenant));
                   metrics_.AddContexts(-1);
                   return absl::OkStatus();
                 });
  }

  grpc::Status ExportContext(
      grpc::ServerContext* context, const v1::ExportContextRequest* request,
      grpc::ServerWriter<v1::ExportContextResponse>* writer) override {
    return Serve(
        "ExportContext", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(
              const std::string file,
              pipeline().Export(request->context_id(), request->without_text(),
                                caller.principal.tenant));
          caller.record->Add("bytes", file.size());
          for (size_t at = 0; at < file.size(); at += kChunkBytes) {
            GIST_RETURN_IF_ERROR(caller.Check());
            v1::ExportContextResponse response;
            response.set_chunk(file.substr(at, kChunkBytes));
            if (!writer->Write(response)) return CallerLeft();
          }
          return absl::OkStatus();
        });
  }

  grpc::Status ImportContext(
      grpc::ServerContext* context,
      grpc::ServerReader<v1::ImportContextRequest>* reader,
      v1::Context* response) override {
    return Serve(
        "ImportContext", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(const std::string file,
                                ReadChunks<v1::ImportContextRequest>(
                                    *reader, pipeline().max_import_bytes(),
                                    caller, [](auto&) {}));
          GIST_ASSIGN_OR_RETURN(const auto result,
                                pipeline().Import(file, caller));
          if (result.is_new) metrics_.AddContexts(1);
          caller.record->Add("context", result.context.record.context_id);
          caller.record->Add("bytes", file.size());
          ToProto(result.context, response);
          return absl::OkStatus();
        });
  }

  grpc::Status CreateBackup(grpc::ServerContext* context,
                            const v1::CreateBackupRequest*,
                            v1::Backup* response) override {
    return Serve("CreateBackup", *context, [&](const Caller&) -> absl::Status {
      if (backups() == nullptr) return NoBackups();
      GIST_ASSIGN_OR_RETURN(const Backup backup, backups()->Create());
      SPDLOG_INFO("backup name={} files={} bytes={}", backup.name, backup.files,
                  backup.bytes);
      ToProto(backup, response);
      return absl::OkStatus();
    });
  }

  grpc::Status ListBackups(grpc::ServerContext* context,
                           const v1::ListBackupsRequest*,
                           v1::ListBackupsResponse* response) override {
    return Serve("ListBackups", *context, [&](const Caller&) -> absl::Status {
      if (backups() == nullptr) return NoBackups();
      GIST_ASSIGN_OR_RETURN(const auto backups, backups()->List());
      for (const Backup& backup : backups)
        ToProto(backup, response->add_backups());
      return absl::OkStatus();
    });
  }

  grpc::Status GetServerInfo(grpc::ServerContext* context,
                             const v1::GetServerInfoRequest*,
                             v1::ServerInfo* response) override {
    return Serve("GetServerInfo", *context, [&](const Caller&) {
      ToProto(pipeline(), response);
      response->set_uptime_seconds(SecondsSince(started_));
      return absl::OkStatus();
    });
  }

 private:
  template <typename Body>
  grpc::Status Serve(const char* rpc, grpc::ServerContext& context, Body body) {
    return ServeOpened(parts_, rules_, rpc, context, std::move(body));
  }

  // Of the parts, once Serve has seen them.
  Pipeline& pipeline() const { return parts_.get()->pipeline; }
  BackupFolder* backups() const { return parts_.get()->backups; }
  // Does a training use the processor now?
  bool IsTraining() const {
    const auto& training = parts_.get()->training;
    return training && training->manager.IsTraining();
  }

  absl::Status CompressInto(const CompressInput& input, const Caller& caller,
                            const Pipeline::ProgressSink& progress,
                            v1::CompressResponse* response) {
    caller.record->mode = "compress";
    GIST_ASSIGN_OR_RETURN(const CompressResult result,
                          pipeline().Compress(input, caller, progress));
    RecordWork(result, *caller.record, metrics_);
    ToProto(result, response);
    return absl::OkStatus();
  }

  absl::Status CompressStreamed(
      grpc::ServerReaderWriter<v1::CompressStreamResponse,
                               v1::CompressStreamRequest>& stream,
      const Caller& caller) {
    absl::StatusOr<CompressInput> input = CompressInput();
    GIST_ASSIGN_OR_RETURN(
        std::string text,
        ReadChunks<v1::CompressStreamRequest>(
            stream, pipeline().limits().max_document_bytes, caller,
            [&](auto& first) { input = CompressInputOf(first); }));
    GIST_RETURN_IF_ERROR(input.status());
    input->text = std::move(text);
    Clock::time_point last_sent;
    const auto progress = [&](const CompressProgress& step) {
      const bool is_last = step.done_tokens == step.total_tokens;
      if (!is_last && Clock::now() - last_sent < kProgressInterval) return;
      last_sent = Clock::now();
      v1::CompressStreamResponse event;
      ToProto(step, event.mutable_progress());
      stream.Write(event);  // a caller who left is noticed by the scheduler
    };
    v1::CompressStreamResponse event;
    GIST_RETURN_IF_ERROR(
        CompressInto(*input, caller, progress, event.mutable_result()));
    return stream.Write(event) ? absl::OkStatus() : CallerLeft();
  }

  absl::Status AskStreamed(const v1::AskRequest& request,
                           grpc::ServerWriter<v1::AskResponse>& writer,
                           const Caller& caller) {
    GIST_ASSIGN_OR_RETURN(const AskInput input, FromProto(request));
    caller.record->mode = NameOf(input.mode);
    const auto on_text = [&](const std::string& piece) {
      v1::AskResponse event;
      event.set_text(piece);
      return writer.Write(event);
    };
    GIST_ASSIGN_OR_RETURN(const AskResult result,
                          pipeline().Ask(input, caller, on_text));
    RecordWork(result, *caller.record, metrics_);
    v1::AskResponse event;
    ToProto(result, event.mutable_result());
    return writer.Write(event) ? absl::OkStatus() : CallerLeft();
  }

  absl::Status CompareStreamed(const v1::CompareRequest& request,
                               grpc::ServerWriter<v1::CompareResponse>& writer,
                               const Caller& caller) {
    GIST_ASSIGN_OR_RETURN(const auto wanted, FromProto(request));
    const bool trained = IsTraining();
    caller.record->mode = "compare";
    // The pipeline notices a caller who has left.
    CompareEvents events;
    events.on_begin = [&](AskMode mode, int done, int total) {
      v1::CompareResponse event;
      event.mutable_progress()->set_mode(ToProto(mode));
      event.mutable_progress()->set_done_modes(done);
      event.mutable_progress()->set_total_modes(total);
      writer.Write(event);
    };
    events.on_answer = [&](const ModeAnswer& answer) {
      v1::CompareResponse event;
      ToProto(answer, event.mutable_answer());
      writer.Write(event);
    };
    GIST_ASSIGN_OR_RETURN(
        Comparison comparison,
        CompareModes(pipeline(), wanted.first, wanted.second, caller, events));
    RecordWork(comparison, *caller.record, metrics_);
    comparison.uncontended =
        comparison.uncontended && !trained && !IsTraining();
    v1::CompareResponse event;
    ToProto(comparison, event.mutable_summary());
    return writer.Write(event) ? absl::OkStatus() : CallerLeft();
  }

  SetOnce<ServedParts> parts_;
  Metrics& metrics_;
  const CallRules rules_;
  const Clock::time_point started_ = Clock::now();
};

}  // namespace

struct GrpcServer::Impl {
  Impl(Metrics& metrics, const GrpcServerOptions& options)
      : gate(options.gate != nullptr ? *options.gate : open_gate),
        readiness(options.readiness != nullptr ? *options.readiness
                                               : own_readiness),
        service(metrics, gate) {
    if (options.has_training) training = MakeTrainingService(metrics, gate);
  }
  std::shared_ptr<grpc::ServerCredentials> credentials;
  const Gate open_gate;
  Readiness own_readiness;
  const Gate& gate;
  Readiness& readiness;
  Service service;
  std::unique_ptr<HealthService> health;
  std::unique_ptr<TrainingService> training;  // null: none
  std::string address;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() { Shutdown(); }

const std::string& GrpcServer::address() const { return impl_->address; }

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Listen(
    Metrics& metrics, const GrpcServerOptions& options) {
  GIST_ASSIGN_OR_RETURN(auto credentials, MakeServerCredentials(options.tls));
  grpc::EnableDefaultHealthCheckService(false);  // ours takes its place
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  if (options.has_channelz) grpc::channelz::experimental::InitChannelzService();
  auto impl = std::make_unique<Impl>(metrics, options);
  grpc::ServerBuilder builder;
  if (!options.has_reflection) {
    builder.SetOption(std::make_unique<WithoutReflection>());
  }
  int port = 0;
  impl->credentials = std::move(credentials);
  builder.AddListeningPort(options.listen, impl->credentials, &port);
  // Otherwise two servers would share a port, each getting half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // gRPC looks at a message's size once it is decompressed: a thousandth of
  // the memory would ask for all of it.
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  // Streams opened and reset by the thousand would each take their memory.
  // Twice as many as handlers: who watches health holds none.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             2 * options.max_threads + 64);
  builder.SetMaxReceiveMessageSize(kMaxUnaryBytes + kSlackBytes);
  builder.SetResourceQuota(
      grpc::ResourceQuota("gistd").SetMaxThreads(options.max_threads));
  builder.RegisterService(&impl->service);
  std::vector<std::string> services = {v1::GistService::service_full_name()};
  if (impl->training != nullptr) {
    builder.RegisterService(impl->training->service());
    services.push_back(v1::TrainingService::service_full_name());
  }
  impl->health =
      MakeHealthService(impl->gate, impl->readiness, std::move(services));
  builder.RegisterService(impl->health->service());
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(std::make_unique<UnparsedRequestsFactory>(impl->gate));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  // A busy port is our error to report; gRPC would print its own besides.
  gpr_set_log_function([](gpr_log_func_args*) {});
  impl->server = builder.BuildAndStart();
  gpr_set_log_function(&LogForGrpc);
  if (impl->server == nullptr || port == 0) {
    return absl::UnavailableError(fmt::format(
        "cannot listen on {}: the port is in use, or the address is not this "
        "machine's; choose another with --listen",
        options.listen));
  }
  impl->address = fmt::format(
      "{}:{}", options.listen.substr(0, options.listen.rfind(':')), port);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

void GrpcServer::Open(const ServedParts& parts) {
  impl_->service.Open(parts);
  if (impl_->training != nullptr && parts.training) {
    impl_->training->Open(*parts.training);
  }
  impl_->readiness.Set(true);
}

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const ServedParts& parts, Metrics& metrics, GrpcServerOptions options) {
  options.has_training = parts.training.has_value();
  GIST_ASSIGN_OR_RETURN(auto server, Listen(metrics, options));
  server->Open(parts);
  return server;
}

void GrpcServer::StopServing() { impl_->readiness.Set(false, "draining"); }

void GrpcServer::Shutdown() {
  impl_->health->Close();
  impl_->server->Shutdown(std::chrono::system_clock::now() + kLastCalls);
}

}  // namespace gist
