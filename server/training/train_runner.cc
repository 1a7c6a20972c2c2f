#include "server/training/train_runner.h"

#include <memory>
#include <set>
#include <utility>

#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

std::string TitleOrConfigured(const std::string& title) {
  return title.empty() ? "the configured adapter" : title;
}

void Log(const TrainJob& job, const TrainEvent& event) {
  using Kind = TrainEvent::Kind;
  // Of what is being prepared, only the expected time.
  const bool silent = event.kind == Kind::kPreparing && event.seconds_left == 0;
  if (event.kind == Kind::kStep || silent) return;
  if (event.kind == Kind::kEvaluated) {
    SPDLOG_INFO(
        "training job={} stage={:?} step={} steps={} loss={:.4f} "
        "dev_accuracy={:.4f} tokens_per_second={:.0f}",
        job.id(), event.stage, event.step, event.steps, job.Get().loss,
        event.dev_accuracy.value_or(0), event.tokens_per_second);
  } else if (!event.message.empty()) {
    SPDLOG_INFO("training job={} stage={:?} step={} message={:?}", job.id(),
                event.stage, event.step, event.message);
  }
}

}  // namespace

void TrainRunner::Run(TrainJob& job, const std::string& folder) {
  job.Change([](Training& training) {
    training.state = TrainState::kRunning;
    training.message.clear();
    if (training.started_unix_ms == 0) training.started_unix_ms = UnixMillis();
  });
  save_(job);
  SPDLOG_INFO("training started job={} recipe={} adapter={}", job.id(),
              job.Get().recipe, job.Get().request.name);
  const Outcome outcome = Train(job, folder);
  job.Change([&outcome](Training& training) {
    if (outcome.finish) outcome.finish(training);
    training.state = outcome.state;
    training.message = outcome.message;
    training.tokens_per_second = 0;
    training.seconds_left = 0;
    if (IsOver(outcome.state)) training.ended_unix_ms = UnixMillis();
  });
  save_(job);
  parts_.metrics.CountTraining(NameOf(outcome.state));
  SPDLOG_INFO("training ended job={} state={} step={} message={:?}", job.id(),
              NameOf(outcome.state), job.Get().step, outcome.message);
}

TrainRunner::Outcome TrainRunner::OutcomeOf(const absl::Status& status,
                                            const TrainJob& job) const {
  if (job.cancel_requested()) {
    return {TrainState::kCancelled, "cancelled by a caller", nullptr};
  }
  if (absl::IsCancelled(status) && stopping_()) {
    return {TrainState::kInterrupted,
            "the server stopped; it goes on when the server is back", nullptr};
  }
  return {TrainState::kFailed, status.ToString(), nullptr};
}

absl::StatusOr<TrainSpec> TrainRunner::Plan(const TrainJob& job,
                                            const std::string& folder) const {
  const Training training = job.Get();
  TrainRequest request = training.request;
  request.start_adapter = training.start_adapter;
  return parts_.planner.Plan(request, training.recipe,
                             fmt::format("{}/{}", folder, training.recipe));
}

TrainRunner::Outcome TrainRunner::Train(TrainJob& job,
                                        const std::string& folder) {
  for (std::set<std::string> tried;;) {
    auto spec = Plan(job, folder);
    if (!spec.ok()) return OutcomeOf(spec.status(), job);
    tried.insert(spec->recipe.name);
    const std::string next = spec->recipe.next_recipe;
    auto trainer = Fence("training", [&] {
      return parts_.engine.StartTraining(*std::move(spec));
    });
    if (!trainer.ok()) return OutcomeOf(trainer.status(), job);
    const absl::Status stepped = StepUntilDone(**trainer, job);
    if (stepped.ok()) return Finish(**trainer, job);
    const bool missed_gate = absl::IsFailedPrecondition(stepped);
    if (!missed_gate || next.empty() || tried.contains(next)) {
      return OutcomeOf(stepped, job);
    }
    const std::string message =
        fmt::format("{}; goes on with {}", Message(stepped), next);
    SPDLOG_INFO("training job={} message={:?}", job.id(), message);
    job.PostRecipe(next, message);
    save_(job);
  }
}

absl::Status TrainRunner::StepUntilDone(Trainer& trainer, TrainJob& job) {
  while (!trainer.done()) {
    if (job.cancel_requested()) return absl::CancelledError("cancelled");
    if (stopping_()) {
      const absl::Status saved =
          Fence("checkpoint", [&] { return trainer.Checkpoint(); });
      if (!saved.ok()) {
        SPDLOG_ERROR("training job={} error={:?}", job.id(), Message(saved));
      }
      return absl::CancelledError("the server is stopping");
    }
    GIST_ASSIGN_OR_RETURN(const TrainEvent event,
                          Fence("training", [&] { return trainer.Step(); }));
    job.Post(event);
    Log(job, event);
    if (event.kind == TrainEvent::Kind::kStep) {
      parts_.metrics.CountTrainStep(event.loss, event.tokens_per_second);
    } else if (event.kind != TrainEvent::Kind::kPreparing) {
      save_(job);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<AdapterVersion> TrainRunner::Keep(Trainer& trainer,
                                                 const Training& training) {
  AdapterVersion about;
  about.name = training.request.name;
  about.job_id = training.job_id;
  about.recipe = training.recipe;
  about.dev_accuracy = training.dev_accuracy;
  return parts_.adapters.Add(about, [&](const std::string& folder) {
    return Fence("adapter", [&] { return trainer.ExportAdapter(folder); });
  });
}

absl::Status TrainRunner::Judge(Trainer& trainer, const TrainJob& job,
                                const AdapterVersion& version,
                                Training& training) {
  GIST_ASSIGN_OR_RETURN(const std::string in_use, parts_.promoter.InUse());
  GIST_ASSIGN_OR_RETURN(const std::string folder,
                        parts_.promoter.FolderInUse());
  const double mine = version.dev_accuracy.value_or(0);
  double theirs = 0;  // of no adapter: nothing is answered
  if (folder.empty()) {
    training.message =
        fmt::format("dev accuracy {:.3f}; no adapter was in use", mine);
  } else {
    GIST_ASSIGN_OR_RETURN(theirs, Fence("evaluation", [&] {
                            return trainer.Evaluate(
                                folder, [&] { return GoesOn(job); });
                          }));
    training.baseline_accuracy = theirs;
    training.message = fmt::format("dev accuracy {:.3f}; {} has {:.3f}", mine,
                                   TitleOrConfigured(in_use), theirs);
  }
  if (!training.request.promote_if_better || mine <= theirs) {
    return absl::OkStatus();
  }
  GIST_RETURN_IF_ERROR(
      parts_.promoter.PromoteOver(in_use, version.Title()).status());
  training.promoted = true;
  training.message += "; promoted";
  SPDLOG_INFO("promoted adapter={} instead_of={:?}", version.Title(), in_use);
  return absl::OkStatus();
}

TrainRunner::Outcome TrainRunner::Finish(Trainer& trainer, TrainJob& job) {
  Training training = job.Get();
  const auto version = Keep(trainer, training);
  if (!version.ok()) return OutcomeOf(version.status(), job);
  training.adapter = version->Title();
  const absl::Status judged = Judge(trainer, job, *version, training);
  // Who stops a comparison finds the adapter there all the same.
  if (absl::IsCancelled(judged) && !GoesOn(job)) return OutcomeOf(judged, job);
  if (!judged.ok()) {
    training.message = fmt::format("{} is there, but not in use: {}",
                                   training.adapter, Message(judged));
  }
  return {TrainState::kSucceeded, training.message, [training](Training& all) {
            all.adapter = training.adapter;
            all.baseline_accuracy = training.baseline_accuracy;
            all.promoted = training.promoted;
          }};
}

}  // namespace gist
