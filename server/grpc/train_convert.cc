#include "server/grpc/train_convert.h"

namespace gist {
namespace {

v1::TrainingState ToProto(TrainState state) {
  switch (state) {
    case TrainState::kQueued:
      return v1::TRAINING_STATE_QUEUED;
    case TrainState::kRunning:
      return v1::TRAINING_STATE_RUNNING;
    case TrainState::kInterrupted:
      return v1::TRAINING_STATE_INTERRUPTED;
    case TrainState::kSucceeded:
      return v1::TRAINING_STATE_SUCCEEDED;
    case TrainState::kFailed:
      return v1::TRAINING_STATE_FAILED;
    case TrainState::kCancelled:
      return v1::TRAINING_STATE_CANCELLED;
  }
  return v1::TRAINING_STATE_UNSPECIFIED;
}

v1::TrainEvent::Kind ToProto(TrainingUpdate::Kind kind) {
  switch (kind) {
    case TrainingUpdate::Kind::kSnapshot:
      return v1::TrainEvent::KIND_SNAPSHOT;
    case TrainingUpdate::Kind::kPreparing:
      return v1::TrainEvent::KIND_PREPARING;
    case TrainingUpdate::Kind::kStep:
      return v1::TrainEvent::KIND_STEP;
    case TrainingUpdate::Kind::kEvaluated:
      return v1::TrainEvent::KIND_EVALUATED;
    case TrainingUpdate::Kind::kCheckpoint:
      return v1::TrainEvent::KIND_CHECKPOINT;
    case TrainingUpdate::Kind::kStageEnded:
      return v1::TrainEvent::KIND_STAGE_ENDED;
    case TrainingUpdate::Kind::kRecipeChanged:
      return v1::TrainEvent::KIND_RECIPE_CHANGED;
    case TrainingUpdate::Kind::kState:
      return v1::TrainEvent::KIND_STATE;
  }
  return v1::TrainEvent::KIND_UNSPECIFIED;
}

}  // namespace

TrainRequest FromProto(const v1::TrainRequest& request) {
  TrainRequest out;
  out.request_id = request.request_id();
  out.preset = request.preset();
  out.name = request.name();
  out.dataset_ids.assign(request.dataset_ids().begin(),
                         request.dataset_ids().end());
  out.dev_dataset_ids.assign(request.dev_dataset_ids().begin(),
                             request.dev_dataset_ids().end());
  if (request.has_generator()) {
    const v1::Generator& generator = request.generator();
    out.generator = GeneratorRequest{
        generator.name(),
        {generator.languages().begin(), generator.languages().end()},
        {generator.families().begin(), generator.families().end()},
        generator.samples()};
  }
  out.start_adapter = request.start_adapter();
  out.promote_if_better = request.promote_if_better();
  out.steps = request.steps();
  out.documents_per_step = request.documents_per_step();
  out.learning_rate = request.learning_rate();
  out.seed = request.seed();
  out.gist_tokens = request.gist_tokens();
  out.max_tokens = request.max_tokens();
  out.epochs = request.epochs();
  return out;
}

void ToProto(const Training& training, v1::Training* out) {
  out->set_job_id(training.job_id);
  out->set_state(ToProto(training.state));
  out->set_name(training.request.name);
  out->set_preset(training.request.preset);
  out->set_recipe(training.recipe);
  out->set_stage(training.stage);
  out->set_step(training.step);
  out->set_steps(training.steps);
  out->set_loss(training.loss);
  out->set_learning_rate(training.learning_rate);
  out->set_tokens_per_second(training.tokens_per_second);
  out->set_seconds_left(training.seconds_left);
  if (training.dev_accuracy) out->set_dev_accuracy(*training.dev_accuracy);
  if (training.baseline_accuracy) {
    out->set_baseline_accuracy(*training.baseline_accuracy);
  }
  out->set_adapter(training.adapter);
  out->set_promoted(training.promoted);
  out->set_message(training.message);
  out->set_created_unix_ms(training.created_unix_ms);
  out->set_started_unix_ms(training.started_unix_ms);
  out->set_ended_unix_ms(training.ended_unix_ms);
  out->set_promote_if_better(training.request.promote_if_better);
}

void ToProto(const TrainingUpdate& update, v1::TrainEvent* out) {
  const TrainEvent& event = update.event;
  out->set_kind(ToProto(update.kind));
  out->set_sequence(update.sequence);
  out->set_stage(event.stage);
  out->set_step(event.step);
  out->set_steps(event.steps);
  out->set_loss(event.loss);
  out->set_gradient_norm(event.gradient_norm);
  out->set_learning_rate(event.learning_rate);
  out->set_tokens_per_second(event.tokens_per_second);
  out->set_seconds_left(event.seconds_left);
  if (event.dev_accuracy) out->set_dev_accuracy(*event.dev_accuracy);
  out->set_message(update.message);
  if (update.training == nullptr) return;
  ToProto(*update.training, out->mutable_training());
  if (update.kind != TrainingUpdate::Kind::kSnapshot) return;
  for (const auto& [step, loss] : update.training->losses) {
    v1::LossPoint* const point = out->add_losses();
    point->set_step(step);
    point->set_loss(loss);
  }
}

void ToProto(const Dataset& dataset, v1::Dataset* out) {
  out->set_dataset_id(dataset.dataset_id);
  out->set_dataset_bytes(dataset.bytes);
  out->set_records(dataset.records);
  out->set_created_unix_ms(dataset.created_unix_ms);
}

void ToProto(const AdapterVersion& version, std::string_view in_use,
             v1::Adapter* out) {
  out->set_adapter(version.Title());
  out->set_name(version.name);
  out->set_version(version.version);
  out->set_job_id(version.job_id);
  out->set_recipe(version.recipe);
  if (version.dev_accuracy) out->set_dev_accuracy(*version.dev_accuracy);
  out->set_created_unix_ms(version.created_unix_ms);
  out->set_in_use(version.Title() == in_use);
}

void ToProto(const AdapterInfo& configured, v1::Adapter* out) {
  out->set_adapter(configured.name);
  out->set_name(configured.name);
  out->set_in_use(true);
  out->set_fits_model(true);
  out->set_adapter_fingerprint(configured.fingerprint);
}

}  // namespace gist
