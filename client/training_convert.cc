#include "client/training_convert.h"

namespace gist::client {
namespace {

// "TRAINING_STATE_QUEUED" without what all of them begin with.
std::string StateName(v1::TrainingState state) {
  constexpr std::string_view kPrefix = "TRAINING_STATE_";
  const std::string name = v1::TrainingState_Name(state);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

template <typename Message>
std::optional<double> DevAccuracy(const Message& proto) {
  if (!proto.has_dev_accuracy()) return std::nullopt;
  return proto.dev_accuracy();
}

}  // namespace

v1::TrainRequest ToProto(const TrainingRequest& request) {
  v1::TrainRequest proto;
  proto.set_request_id(request.request_id);
  proto.set_preset(request.preset);
  proto.set_name(request.name);
  for (const auto& id : request.dataset_ids) proto.add_dataset_ids(id);
  for (const auto& id : request.dev_dataset_ids) proto.add_dev_dataset_ids(id);
  if (request.generator) {
    v1::Generator& generator = *proto.mutable_generator();
    generator.set_name(request.generator->name);
    for (const auto& language : request.generator->languages) {
      generator.add_languages(language);
    }
    for (const auto& family : request.generator->families) {
      generator.add_families(family);
    }
    generator.set_samples(request.generator->samples);
  }
  proto.set_start_adapter(request.start_adapter);
  proto.set_promote_if_better(request.promote_if_better);
  proto.set_steps(request.steps);
  proto.set_documents_per_step(request.documents_per_step);
  proto.set_learning_rate(request.learning_rate);
  proto.set_seed(request.seed);
  proto.set_gist_tokens(request.gist_tokens);
  proto.set_max_tokens(request.max_tokens);
  proto.set_epochs(request.epochs);
  return proto;
}

Training FromProto(const v1::Training& proto) {
  Training training = {
      .job_id = proto.job_id(),
      .state = StateName(proto.state()),
      .name = proto.name(),
      .preset = proto.preset(),
      .recipe = proto.recipe(),
      .stage = proto.stage(),
      .step = proto.step(),
      .steps = proto.steps(),
      .loss = proto.loss(),
      .learning_rate = proto.learning_rate(),
      .tokens_per_second = proto.tokens_per_second(),
      .seconds_left = proto.seconds_left(),
      .dev_accuracy = DevAccuracy(proto),
      .baseline_accuracy = std::nullopt,
      .adapter = proto.adapter(),
      .promoted = proto.promoted(),
      .message = proto.message(),
      .created_unix_ms = proto.created_unix_ms(),
      .started_unix_ms = proto.started_unix_ms(),
      .ended_unix_ms = proto.ended_unix_ms(),
      .promote_if_better = proto.promote_if_better(),
  };
  if (proto.has_baseline_accuracy()) {
    training.baseline_accuracy = proto.baseline_accuracy();
  }
  return training;
}

TrainingEvent FromProto(const v1::TrainEvent& proto) {
  TrainingEvent event = {
      .kind = v1::TrainEvent::Kind_Name(proto.kind()),
      .sequence = proto.sequence(),
      .stage = proto.stage(),
      .step = proto.step(),
      .steps = proto.steps(),
      .loss = proto.loss(),
      .gradient_norm = proto.gradient_norm(),
      .learning_rate = proto.learning_rate(),
      .tokens_per_second = proto.tokens_per_second(),
      .seconds_left = proto.seconds_left(),
      .dev_accuracy = DevAccuracy(proto),
      .message = proto.message(),
      .training = std::nullopt,
      .losses = {},
  };
  if (proto.has_training()) event.training = FromProto(proto.training());
  for (const v1::LossPoint& point : proto.losses()) {
    event.losses.emplace_back(point.step(), point.loss());
  }
  return event;
}

Dataset FromProto(const v1::Dataset& proto) {
  return {.dataset_id = proto.dataset_id(),
          .dataset_bytes = proto.dataset_bytes(),
          .records = proto.records(),
          .created_unix_ms = proto.created_unix_ms()};
}

Adapter FromProto(const v1::Adapter& proto) {
  return {.adapter = proto.adapter(),
          .name = proto.name(),
          .version = proto.version(),
          .job_id = proto.job_id(),
          .recipe = proto.recipe(),
          .dev_accuracy = DevAccuracy(proto),
          .created_unix_ms = proto.created_unix_ms(),
          .in_use = proto.in_use()};
}

}  // namespace gist::client
