#include "client/cli/train_output.h"

#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kTrainingRow[] = "{:24}  {:11}  {:20}  {:>13}  {:>7}  {}\n";
constexpr char kDatasetRow[] = "{:35}  {:>9}  {:>8}  {}\n";
constexpr char kAdapterRow[] = "{:24}  {:>7}  {:16}  {:24}  {}\n";

std::string Percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "-";
}

std::string Row(std::string_view name, std::string_view value) {
  return fmt::format("{:12} {}\n", name, value);
}

std::string Steps(const Training& training) {
  return fmt::format("{}/{}", FormatCount(training.step),
                     FormatCount(training.steps));
}

template <typename T>
void SetIfThere(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

}  // namespace

Json ToJson(const Training& training) {
  Json json = {
      {"job_id", training.job_id},
      {"state", training.state},
      {"name", training.name},
      {"preset", training.preset},
      {"recipe", training.recipe},
      {"stage", training.stage},
      {"step", training.step},
      {"steps", training.steps},
      {"loss", training.loss},
      {"learning_rate", training.learning_rate},
      {"tokens_per_second", training.tokens_per_second},
      {"seconds_left", training.seconds_left},
      {"adapter", training.adapter},
      {"promoted", training.promoted},
      {"message", training.message},
      {"created_unix_ms", training.created_unix_ms},
      {"started_unix_ms", training.started_unix_ms},
      {"ended_unix_ms", training.ended_unix_ms},
      {"promote_if_better", training.promote_if_better},
  };
  SetIfThere(json, "dev_accuracy", training.dev_accuracy);
  SetIfThere(json, "baseline_accuracy", training.baseline_accuracy);
  return json;
}

Json ToJson(const TrainingEvent& event) {
  Json json = {
      {"kind", event.kind},
      {"sequence", event.sequence},
      {"stage", event.stage},
      {"step", event.step},
      {"steps", event.steps},
      {"loss", event.loss},
      {"gradient_norm", event.gradient_norm},
      {"learning_rate", event.learning_rate},
      {"tokens_per_second", event.tokens_per_second},
      {"seconds_left", event.seconds_left},
      {"message", event.message},
  };
  SetIfThere(json, "dev_accuracy", event.dev_accuracy);
  if (event.training) json["training"] = ToJson(*event.training);
  if (!event.losses.empty()) json["losses"] = event.losses;
  return json;
}

Json ToJson(const Dataset& dataset) {
  return {{"dataset_id", dataset.dataset_id},
          {"dataset_bytes", dataset.dataset_bytes},
          {"records", dataset.records},
          {"created_unix_ms", dataset.created_unix_ms}};
}

Json ToJson(const Adapter& adapter) {
  Json json = {{"adapter", adapter.adapter},
               {"name", adapter.name},
               {"version", adapter.version},
               {"job_id", adapter.job_id},
               {"recipe", adapter.recipe},
               {"created_unix_ms", adapter.created_unix_ms},
               {"in_use", adapter.in_use}};
  SetIfThere(json, "dev_accuracy", adapter.dev_accuracy);
  return json;
}

std::string PrintLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Summary(const Training& training) {
  std::string text = WithoutControls(training.message);
  if (text.empty()) text = "dev accuracy " + Percent(training.dev_accuracy);
  if (!training.promoted) {
    text += fmt::format("; use it with: gist adapters promote {}",
                        training.adapter);
  }
  return text;
}

std::string Details(const Training& training) {
  std::string text =
      Row("training", training.job_id) + Row("state", training.state) +
      Row("adapter",
          training.adapter.empty() ? training.name : training.adapter) +
      Row("recipe", training.recipe == training.preset
                        ? training.preset
                        : fmt::format("{}, asked for {}", training.recipe,
                                      training.preset)) +
      Row("steps", fmt::format("{} {}", Steps(training), training.stage)) +
      Row("loss", fmt::format("{:.4f}", training.loss)) +
      Row("dev accuracy",
          fmt::format("{}, in use before: {}", Percent(training.dev_accuracy),
                      Percent(training.baseline_accuracy))) +
      Row("created", FormatTime(training.created_unix_ms));
  if (training.seconds_left > 0) {
    text += Row("left", FormatSeconds(training.seconds_left));
  }
  if (!training.message.empty()) {
    text += Row("message", WithoutControls(training.message));
  }
  return text;
}

std::string TableHeaderOf(const Training&) {
  return fmt::format(kTrainingRow, "TRAINING", "STATE", "ADAPTER", "STEPS",
                     "DEV", "CREATED");
}
std::string TableRow(const Training& training) {
  return fmt::format(
      kTrainingRow, training.job_id, training.state,
      training.adapter.empty() ? training.name : training.adapter,
      Steps(training), Percent(training.dev_accuracy),
      FormatTime(training.created_unix_ms));
}

std::string TableHeaderOf(const Dataset&) {
  return fmt::format(kDatasetRow, "DATASET", "SAMPLES", "SIZE", "CREATED");
}
std::string TableRow(const Dataset& dataset) {
  return fmt::format(
      kDatasetRow, dataset.dataset_id, FormatCount(dataset.records),
      FormatBytes(dataset.dataset_bytes), FormatTime(dataset.created_unix_ms));
}

std::string TableHeaderOf(const Adapter&) {
  return fmt::format(kAdapterRow, "ADAPTER", "DEV", "CREATED", "TRAINING",
                     "IN USE");
}
std::string TableRow(const Adapter& adapter) {
  return fmt::format(kAdapterRow, adapter.adapter,
                     Percent(adapter.dev_accuracy),
                     FormatTime(adapter.created_unix_ms), adapter.job_id,
                     adapter.in_use ? "yes" : "-");
}

}  // namespace gist::client
