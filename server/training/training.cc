#include "server/training/training.h"

#include <iterator>

#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kStateNames[] = {"QUEUED",    "RUNNING", "INTERRUPTED",
                                       "SUCCEEDED", "FAILED",  "CANCELLED"};

TrainState StateOf(const std::string& name) {
  for (size_t i = 0; i < std::size(kStateNames); ++i) {
    if (name == kStateNames[i]) return TrainState(i);
  }
  throw std::invalid_argument("unknown state " + name);
}

Json RequestJson(const TrainRequest& request) {
  Json json = {{"request_id", request.request_id},
               {"preset", request.preset},
               {"name", request.name},
               {"dataset_ids", request.dataset_ids},
               {"dev_dataset_ids", request.dev_dataset_ids},
               {"start_adapter", request.start_adapter},
               {"promote_if_better", request.promote_if_better},
               {"steps", request.steps},
               {"documents_per_step", request.documents_per_step},
               {"learning_rate", request.learning_rate},
               {"seed", request.seed},
               {"gist_tokens", request.gist_tokens},
               {"max_tokens", request.max_tokens},
               {"epochs", request.epochs}};
  // Absent where there are no tenants, as in older records.
  if (!request.tenant.empty()) json["tenant"] = request.tenant;
  if (request.generator) {
    json["generator"] = {{"name", request.generator->name},
                         {"languages", request.generator->languages},
                         {"families", request.generator->families},
                         {"samples", request.generator->samples}};
  }
  return json;
}

TrainRequest RequestFrom(const Json& json) {
  TrainRequest request;
  request.tenant = json.value("tenant", "");
  json.at("request_id").get_to(request.request_id);
  json.at("preset").get_to(request.preset);
  json.at("name").get_to(request.name);
  json.at("dataset_ids").get_to(request.dataset_ids);
  json.at("dev_dataset_ids").get_to(request.dev_dataset_ids);
  json.at("start_adapter").get_to(request.start_adapter);
  json.at("promote_if_better").get_to(request.promote_if_better);
  json.at("steps").get_to(request.steps);
  json.at("documents_per_step").get_to(request.documents_per_step);
  json.at("learning_rate").get_to(request.learning_rate);
  json.at("seed").get_to(request.seed);
  json.at("gist_tokens").get_to(request.gist_tokens);
  json.at("max_tokens").get_to(request.max_tokens);
  json.at("epochs").get_to(request.epochs);
  if (const auto found = json.find("generator"); found != json.end()) {
    GeneratorRequest& generator = request.generator.emplace();
    found->at("name").get_to(generator.name);
    found->at("languages").get_to(generator.languages);
    found->at("families").get_to(generator.families);
    found->at("samples").get_to(generator.samples);
  }
  return request;
}

std::optional<double> OptionalFrom(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  return found->get<double>();
}

Training TrainingFrom(const Json& json) {
  Training training;
  json.at("job_id").get_to(training.job_id);
  training.request = RequestFrom(json.at("request"));
  training.state = StateOf(json.at("state"));
  json.at("start_adapter").get_to(training.start_adapter);
  json.at("recipe").get_to(training.recipe);
  json.at("stage").get_to(training.stage);
  json.at("step").get_to(training.step);
  json.at("steps").get_to(training.steps);
  json.at("loss").get_to(training.loss);
  json.at("learning_rate").get_to(training.learning_rate);
  training.dev_accuracy = OptionalFrom(json, "dev_accuracy");
  training.baseline_accuracy = OptionalFrom(json, "baseline_accuracy");
  json.at("adapter").get_to(training.adapter);
  json.at("promoted").get_to(training.promoted);
  json.at("message").get_to(training.message);
  json.at("created_unix_ms").get_to(training.created_unix_ms);
  json.at("started_unix_ms").get_to(training.started_unix_ms);
  json.at("ended_unix_ms").get_to(training.ended_unix_ms);
  json.at("crashes").get_to(training.crashes);
  json.at("losses").get_to(training.losses);
  return training;
}

}  // namespace

bool operator==(const TrainRequest& a, const TrainRequest& b) {
  return RequestJson(a) == RequestJson(b);
}

std::string_view NameOf(TrainState state) { return kStateNames[size_t(state)]; }

std::string ToJson(const Training& training) {
  Json json = {{"job_id", training.job_id},
               {"request", RequestJson(training.request)},
               {"state", NameOf(training.state)},
               {"start_adapter", training.start_adapter},
               {"recipe", training.recipe},
               {"stage", training.stage},
               {"step", training.step},
               {"steps", training.steps},
               {"loss", training.loss},
               {"learning_rate", training.learning_rate},
               {"adapter", training.adapter},
               {"promoted", training.promoted},
               {"message", training.message},
               {"created_unix_ms", training.created_unix_ms},
               {"started_unix_ms", training.started_unix_ms},
               {"ended_unix_ms", training.ended_unix_ms},
               {"crashes", training.crashes},
               {"losses", training.losses}};
  if (training.dev_accuracy) json["dev_accuracy"] = *training.dev_accuracy;
  if (training.baseline_accuracy) {
    json["baseline_accuracy"] = *training.baseline_accuracy;
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<Training> TrainingFromJson(std::string_view text) {
  try {
    return TrainingFrom(Json::parse(text));
  } catch (const std::exception& error) {
    return absl::DataLossError(
        fmt::format("a training's record is damaged: {}", error.what()));
  }
}

}  // namespace gist
