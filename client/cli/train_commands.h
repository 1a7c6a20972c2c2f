// The subcommands of `gist` around training, once their arguments are known.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/commands.h"
#include "client/training_client.h"

namespace gist::client {

struct TrainArguments {
  TrainingRequest request;
  std::vector<std::string> files;  // to upload; "-": standard input
  std::vector<std::string> dev_files;
  bool detach = false;  // print the job's id and leave
};
// Uploads, starts and watches; prints the adapter's name at its end. Ctrl-C
// detaches, and within two seconds another one cancels the training. With
// --json each event is a line. kFailedPrecondition, kCancelled: how the
// training ended.
absl::Status RunTrain(const TrainArguments& arguments, Session& session);
absl::Status RunTrainingWatch(const std::string& job_id, Session& session);
absl::Status RunTrainingList(Session& session);
absl::Status RunTrainingGet(const std::string& job_id, Session& session);
absl::Status RunTrainingCancel(const std::string& job_id, Session& session);

absl::Status RunDatasetUpload(const std::vector<std::string>& files,
                              Session& session);
absl::Status RunDatasetList(Session& session);
// Stops at the first error.
absl::Status RunDatasetDelete(const std::vector<std::string>& dataset_ids,
                              Session& session);

struct AdapterListArguments {
  bool all = false;  // also those for other models than the server's
};
absl::Status RunAdapterList(const AdapterListArguments& arguments,
                            Session& session);
absl::Status RunAdapterPromote(const std::string& adapter, Session& session);
absl::Status RunAdapterRollback(Session& session);

}  // namespace gist::client
