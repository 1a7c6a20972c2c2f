// One training job while the server runs: its state, and those who watch it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "server/scheduling/caller.h"
#include "server/training/training.h"

namespace gist {

// Thread-safe.
class TrainJob {
 public:
  // False: nobody reads any more.
  using UpdateSink = std::function<bool(const TrainingUpdate&)>;

  explicit TrainJob(Training training);

  Training Get() const;
  const std::string& id() const { return id_; }
  const std::string& tenant() const { return tenant_; }

  // What a trainer tells: goes into Get() and to those who watch.
  void Post(const TrainEvent& event);
  // A gate was missed, as `message` says; the recipe of that name goes on.
  void PostRecipe(const std::string& recipe, const std::string& message);
  // `change` may set all but the losses. Tells those who watch if the state has
  // changed.
  void Change(const std::function<void(Training&)>& change);

  // Asks the one who runs the job to give up; the state changes when it has.
  void RequestCancel() { cancel_requested_ = true; }
  bool cancel_requested() const { return cancel_requested_; }

  // A snapshot, then updates as they come, until the job is over, the caller
  // has left or Close. Who is slow misses steps, then other updates, never the
  // last. kUnavailable: closed; the job itself may go on.
  absl::Status Watch(const Caller& caller, const UpdateSink& sink) const;
  // The server is going: ends all watches.
  void Close();

 private:
  static constexpr size_t kMaxUpdates = 256;

  void Push(TrainingUpdate update);     // wants mutex_
  void AddLoss(int step, double loss);  // wants mutex_

  const std::string id_;
  const std::string tenant_;
  std::atomic<bool> cancel_requested_ = false;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Training training_;                   // all below are guarded by mutex_
  std::deque<TrainingUpdate> updates_;  // the latest ones, by sequence
  int64_t last_sequence_ = 0;
  int loss_stride_ = 1;  // steps between two kept losses
  bool closed_ = false;
};

}  // namespace gist
