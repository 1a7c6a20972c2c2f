#include "tests/client/scripted_training.h"

#include <chrono>
#include <thread>

namespace gist::client {

grpc::Status ScriptedTraining::End(const std::string& method) {
  const std::map<std::string, grpc::Status> errors = script->errors;
  const auto error = errors.find(method);
  return error == errors.end() ? grpc::Status::OK : error->second;
}

grpc::Status ScriptedTraining::SendEvents(Context* context, Writer* writer,
                                          const std::string& method) {
  const std::vector<v1::TrainEvent> events = script->events;
  for (const v1::TrainEvent& event : events) writer->Write(event);
  while (script->hang_after_events && !context->IsCancelled()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return End(method);
}

grpc::Status ScriptedTraining::Train(Context* context,
                                     const v1::TrainRequest* request,
                                     Writer* writer) {
  received->train.push_back(*request);
  return SendEvents(context, writer, "Train");
}

grpc::Status ScriptedTraining::WatchTraining(
    Context* context, const v1::WatchTrainingRequest* request, Writer* writer) {
  received->watched.push_back(request->job_id());
  return SendEvents(context, writer, "WatchTraining");
}

grpc::Status ScriptedTraining::GetTraining(Context*,
                                           const v1::GetTrainingRequest*,
                                           v1::Training* response) {
  *response = FullTraining();
  return End("GetTraining");
}

grpc::Status ScriptedTraining::ListTrainings(
    Context*, const v1::ListTrainingsRequest*,
    v1::ListTrainingsResponse* response) {
  const std::vector<v1::Training> trainings = script->trainings;
  for (const auto& each : trainings) *response->add_trainings() = each;
  return End("ListTrainings");
}

grpc::Status ScriptedTraining::CancelTraining(
    Context*, const v1::CancelTrainingRequest* request,
    v1::Training* response) {
  received->cancelled.push_back(request->job_id());
  *response = FullTraining();
  response->set_state(v1::TRAINING_STATE_RUNNING);
  return End("CancelTraining");
}

grpc::Status ScriptedTraining::UploadDataset(
    Context*, grpc::ServerReader<v1::UploadDatasetRequest>* reader,
    v1::Dataset* response) {
  std::string upload;
  for (v1::UploadDatasetRequest part; reader->Read(&part);) {
    upload += part.chunk();
  }
  received->uploads.push_back(upload);
  *response = FullDataset();
  return End("UploadDataset");
}

grpc::Status ScriptedTraining::ListDatasets(
    Context*, const v1::ListDatasetsRequest*,
    v1::ListDatasetsResponse* response) {
  const std::vector<v1::Dataset> datasets = script->datasets;
  for (const auto& each : datasets) *response->add_datasets() = each;
  return End("ListDatasets");
}

grpc::Status ScriptedTraining::DeleteDataset(
    Context*, const v1::DeleteDatasetRequest* request,
    v1::DeleteDatasetResponse*) {
  received->deleted.push_back(request->dataset_id());
  return End("DeleteDataset");
}

grpc::Status ScriptedTraining::ListAdapters(
    Context*, const v1::ListAdaptersRequest*,
    v1::ListAdaptersResponse* response) {
  const std::vector<v1::Adapter> adapters = script->adapters;
  for (const auto& each : adapters) *response->add_adapters() = each;
  return End("ListAdapters");
}

grpc::Status ScriptedTraining::PromoteAdapter(
    Context*, const v1::PromoteAdapterRequest* request, v1::Adapter* response) {
  received->promoted.push_back(request->adapter());
  *response = FullAdapter();
  return End("PromoteAdapter");
}

grpc::Status ScriptedTraining::RollbackAdapter(
    Context*, const v1::RollbackAdapterRequest*,
    v1::RollbackAdapterResponse* response) {
  ++received->rollbacks;
  response->set_adapter("mine@1");
  return End("RollbackAdapter");
}

v1::Training FullTraining() {
  v1::Training training;
  training.set_job_id("job_0123456789abcdef0123");
  training.set_state(v1::TRAINING_STATE_SUCCEEDED);
  training.set_name("mine");
  training.set_preset("gist_10");
  training.set_recipe("gist_25");
  training.set_stage("short");
  training.set_step(1'500);
  training.set_steps(6'000);
  training.set_loss(1.5);
  training.set_learning_rate(0.001);
  training.set_tokens_per_second(8'400);
  training.set_seconds_left(90);
  training.set_dev_accuracy(0.75);
  training.set_baseline_accuracy(0.5);
  training.set_adapter("mine@2");
  training.set_promoted(true);
  training.set_message("dev accuracy 0.750; promoted");
  training.set_created_unix_ms(1'700'000'000'123);
  training.set_started_unix_ms(1'700'000'001'123);
  training.set_ended_unix_ms(1'700'000'002'123);
  training.set_promote_if_better(true);
  return training;
}

v1::Dataset FullDataset() {
  v1::Dataset dataset;
  dataset.set_dataset_id("ds_0123456789abcdef0123456789abcdef");
  dataset.set_dataset_bytes(230'400);
  dataset.set_records(1'200);
  dataset.set_created_unix_ms(1'700'000'000'123);
  return dataset;
}

v1::Adapter FullAdapter() {
  v1::Adapter adapter;
  adapter.set_adapter("mine@2");
  adapter.set_name("mine");
  adapter.set_version(2);
  adapter.set_job_id("job_0123456789abcdef0123");
  adapter.set_recipe("gist_10");
  adapter.set_dev_accuracy(0.75);
  adapter.set_created_unix_ms(1'700'000'000'123);
  adapter.set_in_use(true);
  adapter.set_fits_model(true);
  adapter.set_adapter_fingerprint(std::string(64, 'f'));
  return adapter;
}

std::vector<v1::TrainEvent> TrainingEvents() {
  std::vector<v1::TrainEvent> events(5);
  events[0].set_kind(v1::TrainEvent::KIND_SNAPSHOT);
  *events[0].mutable_training() = FullTraining();
  events[0].mutable_training()->set_state(v1::TRAINING_STATE_RUNNING);
  for (const int i : {1, 2}) {
    events[i].set_kind(v1::TrainEvent::KIND_STEP);
    events[i].set_sequence(i);
    events[i].set_stage("short");
    events[i].set_step(i);
    events[i].set_steps(6'000);
    events[i].set_loss(4.5 / i);
    events[i].set_gradient_norm(1.25);
    events[i].set_learning_rate(0.001);
    events[i].set_tokens_per_second(8'400);
    events[i].set_seconds_left(90);
  }
  events[3].set_kind(v1::TrainEvent::KIND_EVALUATED);
  events[3].set_sequence(3);
  events[3].set_step(2);
  events[3].set_dev_accuracy(0.75);
  events[4].set_kind(v1::TrainEvent::KIND_STATE);
  events[4].set_sequence(4);
  *events[4].mutable_training() = FullTraining();
  return events;
}

}  // namespace gist::client
