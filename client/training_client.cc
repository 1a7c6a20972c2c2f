#include "client/training_client.h"

#include "client/rpc.h"
#include "core/base/status.h"
#include "gist/v1/training.grpc.pb.h"

namespace gist::client {
namespace {

v1::TrainRequest ToProto(const TrainingRequest& request) {
  v1::TrainRequest proto;
  proto.set_request_id(request.request_id);
  proto.set_preset(request.preset);
  proto.set_name(request.name);
  for (const auto& id : request.dataset_ids) proto.add_dataset_ids(id);
  for (const auto& id : request.dev_dataset_ids) proto.add_dev_dataset_ids(id);
  if (request.generator) {
    v1::Generator& generator = *proto.mutable_generator();
    generator.set_name(request.generator->name);
    for (const auto& language : request.generator->languages) {
      generator.add_languages(language);
    }
    for (const auto& family : request.generator->families) {
      generator.add_families(family);
    }
    generator.set_samples(request.generator->samples);
  }
  proto.set_start_adapter(request.start_adapter);
  proto.set_promote_if_better(request.promote_if_better);
  proto.set_steps(request.steps);
  proto.set_documents_per_step(request.documents_per_step);
  proto.set_learning_rate(request.learning_rate);
  proto.set_seed(request.seed);
  proto.set_gist_tokens(request.gist_tokens);
  proto.set_max_tokens(request.max_tokens);
  proto.set_epochs(request.epochs);
  return proto;
}

}  // namespace

bool IsOver(const Training& training) {
  return training.state() == v1::TRAINING_STATE_SUCCEEDED ||
         training.state() == v1::TRAINING_STATE_FAILED ||
         training.state() == v1::TRAINING_STATE_CANCELLED;
}

struct TrainingClient::Impl {
  explicit Impl(const ClientOptions& client_options)
      : options(client_options),
        stub(v1::TrainingService::NewStub(Connect(options))) {}

  // One request, one response. `method`: of the stub.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Unary(
      grpc::Status (v1::TrainingService::Stub::*method)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
      const Request& request) const {
    Call call(options);
    Response response;
    GIST_RETURN_IF_ERROR(FromGrpc(
        (stub.get()->*method)(call.get(), request, &response), options));
    return response;
  }

  template <typename Reader>
  absl::Status ReadEvents(Call& call, Reader& reader,
                          const EventSink& sink) const {
    absl::Status taken;
    v1::TrainEvent event;
    while (reader.Read(&event)) {
      if (!taken.ok()) continue;
      taken = sink(event);
      if (!taken.ok()) call.Cancel();
    }
    const absl::Status finished = FromGrpc(reader.Finish(), options);
    GIST_RETURN_IF_ERROR(taken);
    return finished;
  }

  const ClientOptions options;
  const std::unique_ptr<v1::TrainingService::Stub> stub;
};

TrainingClient::TrainingClient(const ClientOptions& options)
    : impl_(std::make_unique<const Impl>(options)) {}
TrainingClient::~TrainingClient() = default;

using Stub = v1::TrainingService::Stub;

absl::Status TrainingClient::Train(const TrainingRequest& request,
                                   const EventSink& sink) const {
  for (const std::string& text : {request.request_id, request.preset,
                                  request.name, request.start_adapter}) {
    GIST_RETURN_IF_ERROR(CheckUtf8("name", text));
  }
  Call call(impl_->options);
  const auto reader = impl_->stub->Train(call.get(), ToProto(request));
  return impl_->ReadEvents(call, *reader, sink);
}

absl::Status TrainingClient::Watch(std::string_view job_id,
                                   const EventSink& sink) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("job id", job_id));
  v1::WatchTrainingRequest request;
  request.set_job_id(std::string(job_id));
  Call call(impl_->options);
  const auto reader = impl_->stub->WatchTraining(call.get(), request);
  return impl_->ReadEvents(call, *reader, sink);
}

absl::StatusOr<Training> TrainingClient::Get(std::string_view job_id) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("job id", job_id));
  v1::GetTrainingRequest request;
  request.set_job_id(std::string(job_id));
  return impl_->Unary(&Stub::GetTraining, request);
}

absl::StatusOr<std::vector<Training>> TrainingClient::List() const {
  GIST_ASSIGN_OR_RETURN(
      const auto response,
      impl_->Unary(&Stub::ListTrainings, v1::ListTrainingsRequest()));
  return std::vector<Training>(response.trainings().begin(),
                               response.trainings().end());
}

absl::StatusOr<Training> TrainingClient::Cancel(std::string_view job_id) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("job id", job_id));
  v1::CancelTrainingRequest request;
  request.set_job_id(std::string(job_id));
  return impl_->Unary(&Stub::CancelTraining, request);
}

absl::StatusOr<Dataset> TrainingClient::UploadDataset(
    const ByteSource& json_lines) const {
  Call call(impl_->options);
  v1::Dataset response;
  const auto stream = impl_->stub->UploadDataset(call.get(), &response);
  GIST_RETURN_IF_ERROR(Upload(json_lines, v1::UploadDatasetRequest(), *stream,
                              call, impl_->options));
  return response;
}

absl::StatusOr<std::vector<Dataset>> TrainingClient::ListDatasets() const {
  GIST_ASSIGN_OR_RETURN(
      const auto response,
      impl_->Unary(&Stub::ListDatasets, v1::ListDatasetsRequest()));
  return std::vector<Dataset>(response.datasets().begin(),
                              response.datasets().end());
}

absl::Status TrainingClient::DeleteDataset(std::string_view dataset_id) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("dataset id", dataset_id));
  v1::DeleteDatasetRequest request;
  request.set_dataset_id(std::string(dataset_id));
  return impl_->Unary(&Stub::DeleteDataset, request).status();
}

absl::StatusOr<std::vector<Adapter>> TrainingClient::ListAdapters() const {
  GIST_ASSIGN_OR_RETURN(
      const auto response,
      impl_->Unary(&Stub::ListAdapters, v1::ListAdaptersRequest()));
  return std::vector<Adapter>(response.adapters().begin(),
                              response.adapters().end());
}

absl::StatusOr<Adapter> TrainingClient::PromoteAdapter(
    std::string_view adapter) const {
  GIST_RETURN_IF_ERROR(CheckUtf8("adapter", adapter));
  v1::PromoteAdapterRequest request;
  request.set_adapter(std::string(adapter));
  return impl_->Unary(&Stub::PromoteAdapter, request);
}

absl::StatusOr<std::string> TrainingClient::RollbackAdapter() const {
  GIST_ASSIGN_OR_RETURN(
      const auto response,
      impl_->Unary(&Stub::RollbackAdapter, v1::RollbackAdapterRequest()));
  return response.adapter();
}

}  // namespace gist::client
