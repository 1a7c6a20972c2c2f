// Trainings: a queue, one at a time, on a thread that yields to all others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/scheduling/caller.h"
#include "server/training/dataset_store.h"
#include "server/training/train_job.h"
#include "server/training/train_runner.h"
#include "server/training/training.h"

namespace gist {

struct TrainOptions {
  std::string folder;     // of records (JOB.json) and checkpoints (JOB/RECIPE/)
  int max_queued = 8;     // trainings that wait
  int max_kept = 100;     // records of trainings that are over
  int nice = 10;          // of the thread, and of those that its work starts
  int max_crashes = 3;    // of the server between two checkpoints of a training
  int max_watchers = 32;  // at a time: each holds a thread of the server
};

// Every record is on disk before a call returns, so that a restart finds all
// trainings again; one that ran goes on from its checkpoint. Thread-safe.
class TrainManager {
 public:
  // `datasets` and what is in `parts` outlive the manager. kUnavailable: the
  // folder cannot be used.
  static absl::StatusOr<std::unique_ptr<TrainManager>> Start(
      TrainOptions options, DatasetStore& datasets, const TrainParts& parts);
  ~TrainManager();

  // Does not wait for anything but the disk. kInvalidArgument, kNotFound: the
  // request; kResourceExhausted: the queue is full; kUnavailable: stopping.
  absl::StatusOr<Training> Submit(const TrainRequest& request);
  // kNotFound: also for a training of another tenant than `tenant`.
  absl::StatusOr<Training> Get(std::string_view job_id,
                               std::string_view tenant = {}) const;
  // The newest first.
  std::vector<Training> List(std::string_view tenant = {}) const;
  // A training that waits is cancelled at once, one that runs after its step.
  // One that is over stays as it is.
  absl::StatusOr<Training> Cancel(std::string_view job_id,
                                  std::string_view tenant = {});
  // As TrainJob::Watch. kResourceExhausted: too many watch already; the
  // training goes on.
  absl::Status Watch(std::string_view job_id, const Caller& caller,
                     const TrainJob::UpdateSink& sink) const;
  // kFailedPrecondition: a training that is not over needs it.
  absl::Status DeleteDataset(std::string_view dataset_id,
                             std::string_view tenant = {});

  // Does one run now?
  bool IsTraining() const;

  // Refuses new trainings, ends all watches and asks the one that runs to leave
  // a checkpoint.
  void BeginStop();
  // BeginStop, then waits until that is done.
  void Stop();

 private:
  using JobPtr = std::shared_ptr<TrainJob>;

  TrainManager(TrainOptions options, DatasetStore& datasets,
               const TrainParts& parts);

  absl::Status LoadRecords();
  void Load(Training training);
  absl::StatusOr<JobPtr> Find(std::string_view job_id,
                              std::string_view tenant) const;
  absl::Status Save(const TrainJob& job) const;
  void SaveOrLog(const TrainJob& job) const;
  std::string FolderOf(const std::string& job_id) const;
  void RunJobs();
  JobPtr NextJob();
  void EndJob(const JobPtr& job);
  // Want mutex_.
  absl::StatusOr<JobPtr> FindRequest(const TrainRequest& request) const;
  void ForgetOldest();
  void CountJobs() const;

  const TrainOptions options_;
  DatasetStore& datasets_;
  const TrainParts parts_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, JobPtr, std::less<>> jobs_;  // by id
  std::deque<JobPtr> queue_;
  JobPtr running_;
  std::atomic<bool> stopping_ = false;
  mutable std::atomic<int> watchers_ = 0;
  std::thread thread_;  // the last member: it uses all the others
};

}  // namespace gist
