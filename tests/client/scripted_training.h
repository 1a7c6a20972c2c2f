// The training half of the scripted server.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gist/v1/training.grpc.pb.h"
#include "tests/client/cli/guarded.h"

namespace gist::client {

struct TrainingScript {
  // By method name ("Train"): the call's end, after the messages below.
  std::map<std::string, grpc::Status> errors;
  std::vector<v1::TrainEvent> events;  // of Train and WatchTraining
  bool hang_after_events = false;      // until the client goes away
  std::vector<v1::Training> trainings;
  std::vector<v1::Dataset> datasets;
  std::vector<v1::Adapter> adapters;
};

struct TrainingReceived {
  std::vector<v1::TrainRequest> train;
  std::vector<std::string> watched;
  std::vector<std::string> cancelled;
  std::vector<std::string> uploads;  // whole
  std::vector<std::string> deleted;
  std::vector<std::string> promoted;
  int rollbacks = 0;
};

class ScriptedTraining final : public v1::TrainingService::Service {
 public:
  Guarded<TrainingScript> script;
  Guarded<TrainingReceived> received;

 private:
  using Context = grpc::ServerContext;
  using Writer = grpc::ServerWriter<v1::TrainEvent>;

  grpc::Status Train(Context*, const v1::TrainRequest*, Writer*) override;
  grpc::Status WatchTraining(Context*, const v1::WatchTrainingRequest*,
                             Writer*) override;
  grpc::Status GetTraining(Context*, const v1::GetTrainingRequest*,
                           v1::Training*) override;
  grpc::Status ListTrainings(Context*, const v1::ListTrainingsRequest*,
                             v1::ListTrainingsResponse*) override;
  grpc::Status CancelTraining(Context*, const v1::CancelTrainingRequest*,
                              v1::Training*) override;
  grpc::Status UploadDataset(Context*,
                             grpc::ServerReader<v1::UploadDatasetRequest>*,
                             v1::Dataset*) override;
  grpc::Status ListDatasets(Context*, const v1::ListDatasetsRequest*,
                            v1::ListDatasetsResponse*) override;
  grpc::Status DeleteDataset(Context*, const v1::DeleteDatasetRequest*,
                             v1::DeleteDatasetResponse*) override;
  grpc::Status ListAdapters(Context*, const v1::ListAdaptersRequest*,
                            v1::ListAdaptersResponse*) override;
  grpc::Status PromoteAdapter(Context*, const v1::PromoteAdapterRequest*,
                              v1::Adapter*) override;
  grpc::Status RollbackAdapter(Context*, const v1::RollbackAdapterRequest*,
                               v1::RollbackAdapterResponse*) override;

  grpc::Status SendEvents(Context* context, Writer* writer,
                          const std::string& method);
  grpc::Status End(const std::string& method);
};

// Messages in which every field is set, each to another value.
v1::Training FullTraining();
v1::Dataset FullDataset();
v1::Adapter FullAdapter();
// A snapshot, steps, an evaluation and a good end.
std::vector<v1::TrainEvent> TrainingEvents();

}  // namespace gist::client
