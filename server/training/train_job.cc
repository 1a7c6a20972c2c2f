#include "server/training/train_job.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "server/support/errors.h"

namespace gist {
namespace {

constexpr std::chrono::milliseconds kPoll{50};  // a caller's leave wakes nobody

TrainingUpdate::Kind KindOf(TrainEvent::Kind kind) {
  using Kind = TrainingUpdate::Kind;
  switch (kind) {
    case TrainEvent::Kind::kPreparing:
      return Kind::kPreparing;
    case TrainEvent::Kind::kStep:
      return Kind::kStep;
    case TrainEvent::Kind::kCheckpoint:
      return Kind::kCheckpoint;
    case TrainEvent::Kind::kStageEnded:
      return Kind::kStageEnded;
    case TrainEvent::Kind::kEvaluated:
    case TrainEvent::Kind::kDone:  // what is done is told by the state
      return Kind::kEvaluated;
  }
  return Kind::kPreparing;
}

}  // namespace

TrainJob::TrainJob(Training training)
    : id_(training.job_id),
      tenant_(training.request.tenant),
      training_(std::move(training)) {
  // Found again after a restart: as far apart as they were.
  const auto& losses = training_.losses;
  if (losses.size() > 1) {
    loss_stride_ = std::max(1, losses[1].first - losses[0].first);
  }
}

Training TrainJob::Get() const {
  const std::scoped_lock lock(mutex_);
  return training_;
}

void TrainJob::Push(TrainingUpdate update) {
  update.sequence = ++last_sequence_;
  updates_.push_back(std::move(update));
  if (updates_.size() > kMaxUpdates) {
    const auto step = std::ranges::find(updates_, TrainingUpdate::Kind::kStep,
                                        &TrainingUpdate::kind);
    updates_.erase(step == updates_.end() ? updates_.begin() : step);
  }
  changed_.notify_all();
}

// Keeps every loss_stride_-th; where there are too many, every second of them.
void TrainJob::AddLoss(int step, double loss) {
  auto& losses = training_.losses;
  while (!losses.empty() && losses.back().first >= step) losses.pop_back();
  if (!losses.empty() && step - losses.back().first < loss_stride_) return;
  losses.emplace_back(step, loss);
  if (losses.size() <= kMaxLossPoints) return;
  for (size_t i = 0; 2 * i < losses.size(); ++i) losses[i] = losses[2 * i];
  losses.resize((losses.size() + 1) / 2);
  loss_stride_ *= 2;
}

void TrainJob::Post(const TrainEvent& event) {
  const std::scoped_lock lock(mutex_);
  training_.stage = event.stage;
  training_.step = event.step;
  training_.steps = event.steps;
  if (event.kind == TrainEvent::Kind::kStep) {
    training_.loss = event.loss;
    training_.learning_rate = event.learning_rate;
    training_.tokens_per_second = event.tokens_per_second;
    training_.seconds_left = event.seconds_left;
    AddLoss(event.step, event.loss);
  }
  if (event.seconds_left > 0) training_.seconds_left = event.seconds_left;
  if (event.dev_accuracy) training_.dev_accuracy = event.dev_accuracy;
  if (event.kind == TrainEvent::Kind::kCheckpoint) training_.crashes = 0;
  Push({.kind = KindOf(event.kind),
        .sequence = 0,
        .event = event,
        .message = event.message,
        .training = nullptr});
}

void TrainJob::PostRecipe(const std::string& recipe,
                          const std::string& message) {
  const std::scoped_lock lock(mutex_);
  training_.recipe = recipe;
  training_.step = 0;
  training_.dev_accuracy.reset();
  training_.losses.clear();
  loss_stride_ = 1;
  training_.message = message;
  Push({.kind = TrainingUpdate::Kind::kRecipeChanged,
        .sequence = 0,
        .event = {},
        .message = message,
        .training = nullptr});
}

void TrainJob::Change(const std::function<void(Training&)>& change) {
  const std::scoped_lock lock(mutex_);
  const TrainState before = training_.state;
  change(training_);
  if (training_.state == before) return;
  Push({.kind = TrainingUpdate::Kind::kState,
        .sequence = 0,
        .event = {},
        .message = training_.message,
        .training = std::make_shared<const Training>(training_)});
}

absl::Status TrainJob::Watch(const Caller& caller,
                             const UpdateSink& sink) const {
  TrainingUpdate snapshot;
  {
    const std::scoped_lock lock(mutex_);
    snapshot.sequence = last_sequence_;
    snapshot.training = std::make_shared<const Training>(training_);
  }
  bool over = IsOver(snapshot.training->state);
  int64_t seen = snapshot.sequence;
  bool reads = sink(snapshot);
  while (reads && !over) {
    std::vector<TrainingUpdate> news;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kPoll,
                        [&] { return last_sequence_ > seen || closed_; });
      const auto first = std::ranges::find_if(
          updates_, [seen](const auto& each) { return each.sequence > seen; });
      news.assign(first, updates_.end());
      if (news.empty() && closed_) {
        return Error(
            Reason::kDraining,
            "the server is shutting down; the training goes on when it is "
            "back");
      }
    }
    GIST_RETURN_IF_ERROR(caller.Check());
    for (const TrainingUpdate& update : news) {
      seen = update.sequence;
      reads = reads && sink(update);
      over = update.training != nullptr && IsOver(update.training->state);
    }
  }
  return reads ? absl::OkStatus()
               : absl::CancelledError("the caller reads no more");
}

void TrainJob::Close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

}  // namespace gist
