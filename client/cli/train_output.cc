#include "client/cli/train_output.h"

#include <utility>

#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kTrainingRow[] = "{:24}  {:11}  {:20}  {:>13}  {:>7}  {}\n";
constexpr char kDatasetRow[] = "{:35}  {:>9}  {:>8}  {}\n";
constexpr char kAdapterRow[] = "{:24}  {:12}  {:>7}  {:16}  {:24}  {}\n";
// Of a fingerprint: enough to tell adapters apart.
constexpr size_t kShownDigits = 12;

std::string Row(std::string_view name, std::string_view value) {
  return fmt::format("{:12} {}\n", name, value);
}

std::string Steps(const Training& training) {
  return fmt::format("{}/{}", FormatCount(training.step()),
                     FormatCount(training.steps()));
}

std::string AccuracyText(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string DevAccuracy(const auto& made) {
  return made.has_dev_accuracy() ? AccuracyText(made.dev_accuracy()) : "-";
}

std::string OrDash(std::string text) {
  return text.empty() ? "-" : std::move(text);
}

}  // namespace

std::string StateName(v1::TrainingState state) {
  constexpr std::string_view kPrefix = "TRAINING_STATE_";
  const std::string name = v1::TrainingState_Name(state);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::string PrintLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Summary(const Training& training) {
  std::string text = WithoutControls(training.message());
  if (text.empty()) text = "dev accuracy " + DevAccuracy(training);
  if (!training.promoted()) {
    text += fmt::format("; use it with: gist adapters promote {}",
                        training.adapter());
  }
  return text;
}

std::string Details(const Training& training) {
  std::string text =
      Row("training", training.job_id()) +
      Row("state", StateName(training.state())) +
      Row("adapter",
          training.adapter().empty() ? training.name() : training.adapter()) +
      Row("recipe", training.recipe() == training.preset()
                        ? training.preset()
                        : fmt::format("{}, asked for {}", training.recipe(),
                                      training.preset())) +
      Row("steps", fmt::format("{} {}", Steps(training), training.stage())) +
      Row("loss", fmt::format("{:.4f}", training.loss())) +
      Row("dev accuracy",
          fmt::format("{}, in use before: {}", DevAccuracy(training),
                      training.has_baseline_accuracy()
                          ? AccuracyText(training.baseline_accuracy())
                          : "-")) +
      Row("created", FormatTime(training.created_unix_ms()));
  if (training.seconds_left() > 0) {
    text += Row("left", FormatSeconds(training.seconds_left()));
  }
  if (!training.message().empty()) {
    text += Row("message", WithoutControls(training.message()));
  }
  return text;
}

std::string TableHeaderOf(const Training&) {
  return fmt::format(kTrainingRow, "TRAINING", "STATE", "ADAPTER", "STEPS",
                     "DEV", "CREATED");
}
std::string TableRow(const Training& training) {
  return fmt::format(
      kTrainingRow, training.job_id(), StateName(training.state()),
      training.adapter().empty() ? training.name() : training.adapter(),
      Steps(training), DevAccuracy(training),
      FormatTime(training.created_unix_ms()));
}

std::string TableHeaderOf(const Dataset&) {
  return fmt::format(kDatasetRow, "DATASET", "SAMPLES", "SIZE", "CREATED");
}
std::string TableRow(const Dataset& dataset) {
  return fmt::format(kDatasetRow, dataset.dataset_id(),
                     FormatCount(dataset.records()),
                     FormatBytes(dataset.dataset_bytes()),
                     FormatTime(dataset.created_unix_ms()));
}

std::string TableHeaderOf(const Adapter&) {
  return fmt::format(kAdapterRow, "ADAPTER", "FINGERPRINT", "DEV", "CREATED",
                     "TRAINING", "STATE");
}
std::string TableRow(const Adapter& adapter) {
  const bool is_made_here = adapter.version() > 0;
  return fmt::format(
      kAdapterRow, adapter.adapter(),
      OrDash(adapter.adapter_fingerprint().substr(0, kShownDigits)),
      DevAccuracy(adapter),
      OrDash(is_made_here ? FormatTime(adapter.created_unix_ms()) : ""),
      OrDash(adapter.job_id()), adapter.in_use() ? "in use" : "-");
}

}  // namespace gist::client
