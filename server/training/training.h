// Trainings as the service sees them: what was asked for, how it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/task.h"
#include "core/train/trainer.h"

namespace gist {

// Tasks that are generated instead of uploaded.
struct GeneratorRequest {
  std::string name;                    // "niah"
  std::vector<std::string> languages;  // "en", "ko"; empty: both
  std::vector<std::string> families;   // of Task; empty: "passkey"
  int64_t samples =
      0;  // documents to learn from; 0: as the preset's steps take
};

struct TrainRequest {
  std::string tenant = {};  // of the caller; empty: the default one
  std::string request_id;   // the same id is the same job; empty: a new one
  std::string preset;
  std::string name;  // of the adapter to be
  std::vector<std::string> dataset_ids;
  std::vector<std::string> dev_dataset_ids;  // empty: a part of the datasets
  std::optional<GeneratorRequest> generator;
  std::string
      start_adapter;  // to go on from: NAME or NAME@VERSION; empty: none
  bool promote_if_better = false;

  // In place of the preset's; 0: the preset's.
  int steps = 0;  // in all, shared out as the preset's stages are
  int documents_per_step = 0;
  double learning_rate = 0;
  uint64_t seed = 0;
  int gist_tokens = 0;
  int max_tokens = 0;  // of a document
  int epochs = 0;      // over the datasets

  friend bool operator==(const TrainRequest&, const TrainRequest&);
};

enum class TrainState {
  kQueued,
  kRunning,
  kInterrupted,  // the server stopped; it goes on when the server is back
  kSucceeded,
  kFailed,
  kCancelled
};
inline bool IsOver(TrainState state) {
  return state == TrainState::kSucceeded || state == TrainState::kFailed ||
         state == TrainState::kCancelled;
}
std::string_view NameOf(TrainState state);  // "QUEUED"

// One training job.
struct Training {
  std::string job_id;  // "job_" and 20 hex digits
  TrainRequest request;
  TrainState state = TrainState::kQueued;
  std::string start_adapter;  // NAME@VERSION, as found when it was asked for
  std::string recipe;  // in use: the preset, or what came after a missed gate
  std::string stage;
  int step = 0;
  int steps = 0;  // of the recipe in use
  double loss = 0;
  double learning_rate = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
  std::optional<double> dev_accuracy;       // latest; of the finished adapter
  std::optional<double> baseline_accuracy;  // of the adapter in use at the end
  std::string adapter;                      // "NAME@VERSION" once it is there
  bool promoted = false;
  std::string message;  // why it is as it is
  int64_t created_unix_ms = 0;
  int64_t started_unix_ms = 0;  // 0: not yet
  int64_t ended_unix_ms = 0;    // 0: not yet
  int crashes = 0;              // of the server since the last checkpoint
  std::vector<std::pair<int, double>> losses;  // step and loss, thinned out
};

// The largest number of points in Training::losses.
inline constexpr size_t kMaxLossPoints = 240;

struct TrainingUpdate {
  enum class Kind {
    kSnapshot,  // all that is known, at a watch's start
    kPreparing,
    kStep,
    kEvaluated,
    kCheckpoint,
    kStageEnded,
    kRecipeChanged,  // a gate was missed, and another recipe goes on
    kState           // the state changed; the last update of a job that is over
  };
  Kind kind = Kind::kSnapshot;
  int64_t sequence = 0;  // counts a job's updates from 1
  TrainEvent event;      // of kinds that a Trainer makes
  std::string message;
  std::shared_ptr<const Training> training;  // kSnapshot, kState
};

// Training and its JSON, byte for byte what a data folder keeps.
std::string ToJson(const Training& training);
// kDataLoss.
absl::StatusOr<Training> TrainingFromJson(std::string_view text);

}  // namespace gist
