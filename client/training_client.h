// Trains adapters on a gistd server, and manages what training needs and makes.
// Meaning, units and ranges of fields are training.proto's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/gist_client.h"
#include "gist/v1/training.pb.h"

namespace gist::client {

struct Generator {
  std::string name;                    // "niah"
  std::vector<std::string> languages;  // "en", "ko"; empty: both
  std::vector<std::string> families;   // empty: passkey
  int64_t samples = 0;                 // 0: as the steps say
};

// Numbers of 0 and empty strings leave the choice to the server.
struct TrainingRequest {
  std::string request_id;
  std::string preset;
  std::string name;
  std::vector<std::string> dataset_ids;
  std::vector<std::string> dev_dataset_ids;
  std::optional<Generator> generator;
  std::string start_adapter;
  bool promote_if_better = false;
  int steps = 0;
  int documents_per_step = 0;
  double learning_rate = 0;
  uint64_t seed = 0;
  int gist_tokens = 0;
  int max_tokens = 0;
  int epochs = 0;
};

// Replies are the messages of gist.v1, see training.proto.
using v1::Adapter;
using v1::Dataset;
using v1::Training;
using TrainingEvent = v1::TrainEvent;

bool IsOver(const Training& training);

// As GistClient: thread-safe, calls block, errors are the server's.
class TrainingClient {
 public:
  // An error cancels the call, not the training, and becomes its result.
  using EventSink = std::function<absl::Status(const TrainingEvent&)>;

  explicit TrainingClient(const ClientOptions& options);
  ~TrainingClient();

  // Both return when the training is over, however it ended; the last event
  // says how.
  absl::Status Train(const TrainingRequest& request,
                     const EventSink& sink) const;
  absl::Status Watch(std::string_view job_id, const EventSink& sink) const;
  absl::StatusOr<Training> Get(std::string_view job_id) const;
  absl::StatusOr<std::vector<Training>> List() const;
  absl::StatusOr<Training> Cancel(std::string_view job_id) const;

  absl::StatusOr<Dataset> UploadDataset(const ByteSource& json_lines) const;
  absl::StatusOr<std::vector<Dataset>> ListDatasets() const;
  absl::Status DeleteDataset(std::string_view dataset_id) const;

  absl::StatusOr<std::vector<Adapter>> ListAdapters() const;
  absl::StatusOr<Adapter> PromoteAdapter(std::string_view adapter) const;
  // What is in use then; empty: the server's configured adapter, or none.
  absl::StatusOr<std::string> RollbackAdapter() const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist::client
