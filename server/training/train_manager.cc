#include "server/training/train_manager.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "server/support/errors.h"
#include "server/support/file_io.h"
#include "server/support/names.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

std::string NewJobId() {
  std::random_device random;
  return fmt::format("job_{:08x}{:08x}{:04x}", random(), random(),
                     random() & 0xffff);
}

absl::Status NoSuchJob(std::string_view job_id) {
  return Error(
      Reason::kTrainingNotFound,
      fmt::format("no training has the id {:?}; ListTrainings names all",
                  Shown(job_id)));
}

absl::Status Stopping() {
  return Error(Reason::kDraining,
               "the server is shutting down; try again when it is back");
}

// On Linux a thread has a priority of its own, and the threads that it starts
// inherit it: so do the workers that share a trainer's matrix products.
void LowerPriority(int nice) {
  if (setpriority(PRIO_PROCESS, id_t(gettid()), nice) != 0) {
    SPDLOG_WARN("the training's thread keeps its priority: nice={}", nice);
  }
}

bool Uses(const Training& training, std::string_view dataset_id) {
  const TrainRequest& request = training.request;
  return std::ranges::count(request.dataset_ids, dataset_id) > 0 ||
         std::ranges::count(request.dev_dataset_ids, dataset_id) > 0;
}

}  // namespace

TrainManager::TrainManager(TrainOptions options, DatasetStore& datasets,
                           const TrainParts& parts)
    : options_(std::move(options)), datasets_(datasets), parts_(parts) {}

absl::StatusOr<std::unique_ptr<TrainManager>> TrainManager::Start(
    TrainOptions options, DatasetStore& datasets, const TrainParts& parts) {
  std::unique_ptr<TrainManager> manager(
      new TrainManager(std::move(options), datasets, parts));
  GIST_RETURN_IF_ERROR(EnsureFolder(manager->options_.folder));
  GIST_RETURN_IF_ERROR(manager->LoadRecords());
  manager->thread_ = std::thread([raw = manager.get()] { raw->RunJobs(); });
  return manager;
}

TrainManager::~TrainManager() { Stop(); }

std::string TrainManager::FolderOf(const std::string& job_id) const {
  return fmt::format("{}/{}", options_.folder, job_id);
}

absl::Status TrainManager::Save(const TrainJob& job) const {
  return WriteStateFile(FolderOf(job.id()) + ".json", ToJson(job.Get()));
}

void TrainManager::SaveOrLog(const TrainJob& job) const {
  const absl::Status saved = Save(job);
  if (saved.ok()) return;
  SPDLOG_ERROR("training job={} error={:?}", job.id(), Message(saved));
}

// What a server before this one left. A damaged record is left alone and told.
absl::Status TrainManager::LoadRecords() {
  std::vector<Training> found;
  std::error_code error;
  for (fs::directory_iterator it(options_.folder, error), end;
       !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    GIST_ASSIGN_OR_RETURN(const std::string text,
                          ReadStateFile(it->path().string()));
    auto training = TrainingFromJson(text);
    if (!training.ok()) {
      SPDLOG_ERROR("file={:?} error={:?}", it->path().string(),
                   Message(training.status()));
      continue;
    }
    found.push_back(*std::move(training));
  }
  // What had begun comes first.
  std::ranges::sort(found, {}, [](const Training& training) {
    return std::pair(training.started_unix_ms == 0, training.created_unix_ms);
  });
  for (Training& training : found) Load(std::move(training));
  CountJobs();
  return absl::OkStatus();
}

void TrainManager::Load(Training training) {
  const bool crashed = training.state == TrainState::kRunning;
  if (crashed) {
    training.state = TrainState::kInterrupted;
    training.message = "the server ended while it ran; it goes on";
    if (++training.crashes >= options_.max_crashes) {
      training.state = TrainState::kFailed;
      training.ended_unix_ms = UnixMillis();
      training.message = fmt::format(
          "the server ended {} times while it ran, with no checkpoint between: "
          "perhaps the machine's memory is too small; try fewer "
          "documents_per_step",
          training.crashes);
    }
  }
  const auto job = std::make_shared<TrainJob>(std::move(training));
  jobs_[job->id()] = job;
  if (crashed) SaveOrLog(*job);
  if (!IsOver(job->Get().state)) queue_.push_back(job);
}

absl::StatusOr<TrainManager::JobPtr> TrainManager::Find(
    std::string_view job_id, std::string_view tenant) const {
  const std::scoped_lock lock(mutex_);
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end() || found->second->tenant() != tenant) {
    return NoSuchJob(job_id);
  }
  return found->second;
}

// The job that the same request_id made before; null: none.
absl::StatusOr<TrainManager::JobPtr> TrainManager::FindRequest(
    const TrainRequest& request) const {
  if (request.request_id.empty()) return nullptr;
  for (const auto& [id, job] : jobs_) {
    const Training training = job->Get();
    if (training.request.request_id != request.request_id ||
        training.request.tenant != request.tenant) {
      continue;
    }
    if (training.request == request) return job;
    return InvalidField(
        "request_id",
        fmt::format("request_id {:?} belongs to {}, which asks for something "
                    "else; take a new one",
                    request.request_id, id),
        Reason::kRequestIdReused);
  }
  return nullptr;
}

absl::StatusOr<Training> TrainManager::Submit(const TrainRequest& request) {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(const JobPtr known, FindRequest(request));
  if (known != nullptr) return known->Get();
  if (stopping_) return Stopping();
  GIST_RETURN_IF_ERROR(parts_.planner.Check(request));
  if (int(queue_.size()) >= options_.max_queued) {
    return Error(
        Reason::kTrainingQueueFull,
        fmt::format("{} trainings wait, the limit is {}; try again later, or "
                    "cancel one",
                    queue_.size(), options_.max_queued));
  }
  Training training;
  training.job_id = NewJobId();
  training.request = request;
  training.recipe = request.preset;
  training.created_unix_ms = UnixMillis();
  if (!request.start_adapter.empty()) {
    GIST_ASSIGN_OR_RETURN(const AdapterVersion start,
                          parts_.adapters.Find(request.start_adapter));
    training.start_adapter = start.Title();
  }
  const auto job = std::make_shared<TrainJob>(std::move(training));
  GIST_RETURN_IF_ERROR(Save(*job));
  jobs_[job->id()] = job;
  queue_.push_back(job);
  CountJobs();
  changed_.notify_all();
  SPDLOG_INFO("training queued job={} preset={} adapter={}", job->id(),
              request.preset, request.name);
  return job->Get();
}

absl::StatusOr<Training> TrainManager::Get(std::string_view job_id,
                                           std::string_view tenant) const {
  GIST_ASSIGN_OR_RETURN(const JobPtr job, Find(job_id, tenant));
  return job->Get();
}

std::vector<Training> TrainManager::List(std::string_view tenant) const {
  std::vector<Training> all;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, job] : jobs_) {
      if (job->tenant() == tenant) all.push_back(job->Get());
    }
  }
  std::ranges::stable_sort(all, std::greater(), &Training::created_unix_ms);
  return all;
}

absl::StatusOr<Training> TrainManager::Cancel(std::string_view job_id,
                                              std::string_view tenant) {
  GIST_ASSIGN_OR_RETURN(const JobPtr job, Find(job_id, tenant));
  const std::scoped_lock lock(mutex_);
  job->RequestCancel();
  const auto waiting = std::ranges::find(queue_, job);
  if (waiting == queue_.end()) return job->Get();
  queue_.erase(waiting);
  job->Change([](Training& training) {
    training.state = TrainState::kCancelled;
    training.message = "cancelled by a caller";
    training.ended_unix_ms = UnixMillis();
  });
  GIST_RETURN_IF_ERROR(Save(*job));
  EndJob(job);
  CountJobs();
  parts_.metrics.CountTraining(NameOf(TrainState::kCancelled));
  return job->Get();
}

absl::Status TrainManager::Watch(std::string_view job_id, const Caller& caller,
                                 const TrainJob::UpdateSink& sink) const {
  GIST_ASSIGN_OR_RETURN(const JobPtr job,
                        Find(job_id, caller.principal.tenant));
  struct Place {
    explicit Place(std::atomic<int>& taken) : count(taken), number(++taken) {}
    ~Place() { --count; }
    std::atomic<int>& count;
    const int number;
  };
  const Place place(watchers_);
  if (place.number > options_.max_watchers) {
    return Error(
        Reason::kTooManyWatchers,
        fmt::format("{} callers watch trainings, the limit is {}; {} goes on: "
                    "watch it later",
                    place.number - 1, options_.max_watchers, job->id()));
  }
  return job->Watch(caller, sink);
}

absl::Status TrainManager::DeleteDataset(std::string_view dataset_id,
                                         std::string_view tenant) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, job] : jobs_) {
    const Training training = job->Get();
    if (job->tenant() != tenant || IsOver(training.state) ||
        !Uses(training, dataset_id))
      continue;
    return Error(
        Reason::kDatasetInUse,
        fmt::format("{} learns from {}; cancel it, or wait until it is over",
                    id, dataset_id));
  }
  return datasets_.Delete(dataset_id, tenant);
}

// The checkpoints of a failed training stay for whoever wants to know why.
void TrainManager::EndJob(const JobPtr& job) {
  const TrainState state = job->Get().state;
  if (IsOver(state) && state != TrainState::kFailed) {
    std::error_code ignored;
    fs::remove_all(FolderOf(job->id()), ignored);
  }
  if (IsOver(state)) ForgetOldest();
}

void TrainManager::ForgetOldest() {
  std::vector<Training> over;
  for (const auto& [id, job] : jobs_) {
    if (Training training = job->Get(); IsOver(training.state)) {
      over.push_back(std::move(training));
    }
  }
  std::ranges::sort(over, {}, &Training::ended_unix_ms);
  for (size_t i = 0; i + size_t(options_.max_kept) < over.size(); ++i) {
    const std::string& id = over[i].job_id;
    std::error_code ignored;
    fs::remove_all(FolderOf(id), ignored);
    fs::remove(FolderOf(id) + ".json", ignored);
    jobs_.erase(id);
  }
}

void TrainManager::CountJobs() const {
  parts_.metrics.SetTrainings(int64_t(queue_.size()),
                              running_ == nullptr ? 0 : 1);
}

// Null: the server stops.
TrainManager::JobPtr TrainManager::NextJob() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || stopping_; });
  if (stopping_) return nullptr;
  running_ = std::move(queue_.front());
  queue_.pop_front();
  CountJobs();
  return running_;
}

void TrainManager::RunJobs() {
  LowerPriority(options_.nice);
  TrainRunner runner(
      parts_, [this] { return stopping_.load(); },
      [this](const TrainJob& job) { SaveOrLog(job); });
  while (const JobPtr job = NextJob()) {
    runner.Run(*job, FolderOf(job->id()));
    const std::scoped_lock lock(mutex_);
    running_ = nullptr;
    EndJob(job);
    CountJobs();
  }
}

bool TrainManager::IsTraining() const {
  const std::scoped_lock lock(mutex_);
  return running_ != nullptr;
}

void TrainManager::BeginStop() {
  const std::scoped_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  for (const auto& [id, job] : jobs_) job->Close();
}

void TrainManager::Stop() {
  BeginStop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace gist
