#include "client/gist_client.h"

#include <optional>
#include <utility>

#include "client/convert.h"
#include "client/rpc.h"
#include "core/base/status.h"
#include "fmt/format.h"
#include "gist/v1/gist.grpc.pb.h"

namespace gist::client {
namespace {

// Larger texts are sent in chunks, so that neither side holds them twice in
// one message.
constexpr size_t kMaxUnaryBytes = size_t{1} << 20;

// For a stream that ended well, but too early.
absl::Status MissingLast(std::string_view what) {
  return absl::InternalError(
      fmt::format("{}: the server ended the stream without its last message; "
                  "client and server may be of different versions",
                  what));
}

absl::Status CheckQuestion(const Question& question) {
  GIST_RETURN_IF_ERROR(CheckUtf8("question", question.text));
  for (const std::string& id : question.context_ids) {
    GIST_RETURN_IF_ERROR(CheckUtf8("context id", id));
  }
  return absl::OkStatus();
}

// Borrows the text.
ByteSource ChunksOf(std::string_view text) {
  return [text]() mutable -> absl::StatusOr<std::string> {
    const std::string chunk(text.substr(0, kChunkBytes));
    text.remove_prefix(chunk.size());
    return chunk;
  };
}

// `source` with bytes that were read from it already put back in front.
ByteSource Rejoin(std::string head, const ByteSource& source) {
  return [head = std::move(head), &source,
          first = true]() mutable -> absl::StatusOr<std::string> {
    if (std::exchange(first, false) && !head.empty()) return std::move(head);
    return source();
  };
}

}  // namespace

struct GistClient::Impl {
  explicit Impl(const ClientOptions& client_options)
      : options(client_options),
        stub(v1::GistService::NewStub(Connect(options))) {}

  absl::Status FromGrpc(const grpc::Status& status) const {
    return client::FromGrpc(status, options);
  }

  absl::StatusOr<CompressResult> CompressUnary(
      std::string text, const CompressOptions& compress) const {
    auto request = ToCompressProto<v1::CompressRequest>(compress);
    request.set_text(std::move(text));
    v1::CompressResponse response;
    Call call(options);
    GIST_RETURN_IF_ERROR(
        FromGrpc(stub->Compress(call.get(), request, &response)));
    return response;
  }

  absl::StatusOr<CompressResult> CompressStream(
      const ByteSource& source, const CompressOptions& compress) const {
    Call call(options);
    const auto stream = stub->CompressStream(call.get());
    auto request = ToCompressProto<v1::CompressStreamRequest>(compress);
    // Progress counts the tokens of the whole document, so none comes before
    // the last chunk: writing all and then reading cannot stall.
    const absl::Status sent = WriteSource(source, [&](std::string_view chunk) {
      request.set_chunk(chunk.data(), chunk.size());
      return stream->Write(request);
    });
    if (!sent.ok()) call.Cancel();
    stream->WritesDone();
    std::optional<CompressResult> result;
    v1::CompressStreamResponse response;
    while (stream->Read(&response)) {
      if (response.has_result()) {
        result = std::move(*response.mutable_result());
      } else if (response.has_progress() && compress.on_progress) {
        compress.on_progress(response.progress().done_tokens(),
                             response.progress().total_tokens());
      }
    }
    const absl::Status finished = FromGrpc(stream->Finish());
    GIST_RETURN_IF_ERROR(sent);
    GIST_RETURN_IF_ERROR(finished);
    if (!result.has_value()) return MissingLast("compress");
    return *std::move(result);
  }

  const ClientOptions options;
  const std::unique_ptr<v1::GistService::Stub> stub;
};

GistClient::GistClient(const ClientOptions& options)
    : impl_(std::make_unique<const Impl>(options)) {}
GistClient::~GistClient() = default;

absl::StatusOr<AddResult> GistClient::AddDocument(
    std::string_view text, const AddOptions& options) const {
  return AddDocument(ChunksOf(text), options);
}

absl::StatusOr<AddResult> GistClient::AddDocument(
    const ByteSource& source, const AddOptions& options) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("request id", options.request_id));
  Call call(impl_->options);
  AddResult response;
  const auto stream = impl_->stub->AddDocument(call.get(), &response);
  v1::AddDocumentRequest request;
  request.set_request_id(options.request_id);
  *request.mutable_retention() = ToProto(options.retention);
  GIST_RETURN_IF_ERROR(
      Upload(source, std::move(request), *stream, call, impl_->options));
  return response;
}

absl::StatusOr<CompressResult> GistClient::Compress(
    std::string_view text, const CompressOptions& options) const {
  return Compress(ChunksOf(text), options);
}

absl::StatusOr<CompressResult> GistClient::Compress(
    const ByteSource& source, const CompressOptions& options) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("request id", options.request_id));
  if (options.on_progress) return impl_->CompressStream(source, options);
  std::string head;
  while (head.size() <= kMaxUnaryBytes) {
    GIST_ASSIGN_OR_RETURN(const std::string bytes, source());
    if (bytes.empty()) {
      GIST_RETURN_IF_ERROR(CheckUtf8("document", head));
      return impl_->CompressUnary(std::move(head), options);
    }
    head += bytes;
  }
  return impl_->CompressStream(Rejoin(std::move(head), source), options);
}

absl::StatusOr<Comparison> GistClient::Compare(
    const Question& question, const std::vector<Mode>& modes,
    const CompareProgress& on_progress) const {
  GIST_RETURN_IF_ERROR(CheckQuestion(question));
  Call call(impl_->options);
  const auto stream =
      impl_->stub->Compare(call.get(), ToCompareProto(question, modes));
  Comparison comparison;
  bool is_whole = false;
  v1::CompareResponse response;
  while (stream->Read(&response)) {
    if (response.has_answer()) {
      comparison.answers.push_back(std::move(*response.mutable_answer()));
    } else if (response.has_summary()) {
      comparison.summary = std::move(*response.mutable_summary());
      is_whole = true;
    } else if (response.has_progress() && on_progress) {
      const v1::CompareProgress& progress = response.progress();
      on_progress(ModeOf(progress.mode()), progress.done_modes(),
                  progress.total_modes());
    }
  }
  GIST_RETURN_IF_ERROR(impl_->FromGrpc(stream->Finish()));
  if (!is_whole) return MissingLast("compare");
  return comparison;
}

absl::StatusOr<AskResult> GistClient::Ask(const Question& question,
                                          const ByteSink& on_text) const {
  GIST_RETURN_IF_ERROR(CheckQuestion(question));
  Call call(impl_->options);
  const auto stream = impl_->stub->Ask(call.get(), ToProto(question));
  std::optional<AskResult> result;
  absl::Status taken;
  v1::AskResponse response;
  while (stream->Read(&response)) {
    if (response.has_result()) {
      result = std::move(*response.mutable_result());
    } else if (response.has_text() && taken.ok()) {
      taken = on_text(response.text());
      if (!taken.ok()) call.Cancel();
    }
  }
  const absl::Status finished = impl_->FromGrpc(stream->Finish());
  GIST_RETURN_IF_ERROR(taken);
  GIST_RETURN_IF_ERROR(finished);
  if (!result.has_value()) return MissingLast("ask");
  return *std::move(result);
}

absl::StatusOr<Context> GistClient::GetContext(
    std::string_view context_id) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("context id", context_id));
  v1::GetContextRequest request;
  request.set_context_id(std::string(context_id));
  v1::Context response;
  Call call(impl_->options);
  GIST_RETURN_IF_ERROR(
      impl_->FromGrpc(impl_->stub->GetContext(call.get(), request, &response)));
  return response;
}

absl::Status GistClient::ListContexts(
    const std::function<absl::Status(const Context&)>& visit,
    int page_size) const {
  v1::ListContextsRequest request;
  request.set_page_size(page_size);
  while (true) {
    v1::ListContextsResponse response;
    Call call(impl_->options);
    GIST_RETURN_IF_ERROR(impl_->FromGrpc(
        impl_->stub->ListContexts(call.get(), request, &response)));
    for (const v1::Context& context : response.contexts()) {
      GIST_RETURN_IF_ERROR(visit(context));
    }
    if (response.next_page_token().empty()) return absl::OkStatus();
    if (response.next_page_token() == request.page_token()) {
      return absl::InternalError(
          "list: the server gave the same page token twice; a walk over its "
          "contexts would never end");
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::Status GistClient::DeleteContext(std::string_view context_id) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("context id", context_id));
  v1::DeleteContextRequest request;
  request.set_context_id(std::string(context_id));
  v1::DeleteContextResponse response;
  Call call(impl_->options);
  return impl_->FromGrpc(
      impl_->stub->DeleteContext(call.get(), request, &response));
}

absl::StatusOr<Context> GistClient::UpdateContext(
    std::string_view context_id, const RetentionPolicy& policy) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("context id", context_id));
  v1::UpdateContextRequest request;
  request.set_context_id(std::string(context_id));
  *request.mutable_retention() = ToProto(policy);
  v1::Context response;
  Call call(impl_->options);
  GIST_RETURN_IF_ERROR(impl_->FromGrpc(
      impl_->stub->UpdateContext(call.get(), request, &response)));
  return response;
}

absl::StatusOr<Backup> GistClient::CreateBackup() const {
  v1::Backup response;
  Call call(impl_->options);
  GIST_RETURN_IF_ERROR(impl_->FromGrpc(impl_->stub->CreateBackup(
      call.get(), v1::CreateBackupRequest(), &response)));
  return response;
}

absl::StatusOr<std::vector<Backup>> GistClient::ListBackups() const {
  v1::ListBackupsResponse response;
  Call call(impl_->options);
  GIST_RETURN_IF_ERROR(impl_->FromGrpc(impl_->stub->ListBackups(
      call.get(), v1::ListBackupsRequest(), &response)));
  return std::vector<Backup>(response.backups().begin(),
                             response.backups().end());
}

absl::Status GistClient::ExportContext(std::string_view context_id,
                                       bool without_text,
                                       const ByteSink& sink) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("context id", context_id));
  v1::ExportContextRequest request;
  request.set_context_id(std::string(context_id));
  request.set_without_text(without_text);
  Call call(impl_->options);
  const auto stream = impl_->stub->ExportContext(call.get(), request);
  absl::Status taken;
  v1::ExportContextResponse response;
  while (stream->Read(&response)) {
    if (!taken.ok()) continue;
    taken = sink(response.chunk());
    if (!taken.ok()) call.Cancel();
  }
  const absl::Status finished = impl_->FromGrpc(stream->Finish());
  GIST_RETURN_IF_ERROR(taken);
  return finished;
}

absl::StatusOr<Context> GistClient::ImportContext(
    const ByteSource& source) const {
  Call call(impl_->options);
  v1::Context response;
  const auto stream = impl_->stub->ImportContext(call.get(), &response);
  GIST_RETURN_IF_ERROR(Upload(source, v1::ImportContextRequest(), *stream, call,
                              impl_->options));
  return response;
}

absl::StatusOr<ServerInfo> GistClient::GetServerInfo() const {
  v1::ServerInfo response;
  Call call(impl_->options);
  GIST_RETURN_IF_ERROR(impl_->FromGrpc(impl_->stub->GetServerInfo(
      call.get(), v1::GetServerInfoRequest(), &response)));
  return response;
}

}  // namespace gist::client
