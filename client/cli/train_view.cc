#include "client/cli/train_view.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "client/cli/json_printer.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr std::chrono::milliseconds kRedraw(100);
constexpr std::chrono::seconds kPlainLine(10);
constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄",
                                                "▅", "▆", "▇", "█"};
constexpr int kBarColumns = 20;
constexpr int kSparkColumns = 24;
constexpr size_t kMaxLosses = 4096;

std::string Bar(int done, int total) {
  const double part =
      total > 0 ? std::clamp(double(done) / total, 0.0, 1.0) : 0.0;
  const auto filled = size_t(part * kBarColumns);
  return fmt::format("[{}{}]", std::string(filled, '#'),
                     std::string(size_t(kBarColumns) - filled, '.'));
}

std::string Pace(const TrainingEvent& step) {
  std::string text;
  if (step.tokens_per_second() > 0) {
    text = fmt::format("{} tokens/s",
                       FormatCount(int64_t(step.tokens_per_second())));
  }
  if (step.seconds_left() > 0) {
    text += fmt::format("{}{} left", text.empty() ? "" : ", ",
                        FormatSeconds(step.seconds_left()));
  }
  return text;
}

std::string Percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

}  // namespace

std::string Sparkline(std::span<const double> values, int columns) {
  if (values.empty() || columns <= 0) return "";
  const size_t count = std::min(values.size(), size_t(columns));
  std::vector<double> means;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i * values.size() / count;
    const size_t end = (i + 1) * values.size() / count;
    double sum = 0;
    for (size_t j = begin; j < end; ++j) sum += values[j];
    means.push_back(sum / double(end - begin));
  }
  const auto [low, high] = std::ranges::minmax(means);
  std::string line;
  for (const double mean : means) {
    const double part = high > low ? (mean - low) / (high - low) : 0;
    // Not a number draws the lowest block.
    line += kBlocks[part > 0 ? std::min<size_t>(size_t(part * 8), 7) : 0];
  }
  return line;
}

std::string TrainLine(const TrainingEvent& step, std::optional<double> accuracy,
                      std::span<const double> losses, int columns) {
  std::string line = WithoutControls(step.stage()).substr(0, 32) +
                     fmt::format(" {}/{}", FormatCount(step.step()),
                                 FormatCount(step.steps()));
  line = line.substr(0, size_t(std::max(columns, 0)));
  int left = columns - int(line.size());
  // `width`: in columns, which are fewer than bytes for a sparkline.
  const auto add = [&](const std::string& text, int width) {
    if (width == 0 || width + 1 > left) return;
    line += " " + text;
    left -= width + 1;
  };
  const auto add_text = [&](const std::string& text) {
    add(text, int(text.size()));
  };
  const std::string loss = fmt::format("loss {:.3f}", step.loss());
  const std::string dev = accuracy ? "dev " + Percent(*accuracy) : "";
  const std::string pace = Pace(step);
  // The bar comes first on the line and last in importance.
  const int rest = int(loss.size() + dev.size() + pace.size()) + 3;
  if (left - rest > kBarColumns + 3) add_text(Bar(step.step(), step.steps()));
  add_text(loss);
  add_text(dev);
  const int spark = std::min(kSparkColumns, left - int(pace.size()) - 2);
  if (spark >= 8) {
    const int width = int(std::min(losses.size(), size_t(spark)));
    add(Sparkline(losses, width), width);
  }
  add_text(pace);
  return line;
}

TrainView::TrainView() : redraws_(CanShowProgress()) {}
TrainView::~TrainView() { Clear(); }

void TrainView::Clear() {
  if (drawn_) fmt::print(stderr, "{}", kEraseLine);
  drawn_ = false;
}

void TrainView::Say(const std::string& line) {
  Clear();
  PrintNote(WithoutControls(line));
}

void TrainView::ShowSnapshot(const TrainingEvent& event) {
  const Training& training = event.training();
  losses_.clear();
  for (const auto& point : event.losses()) losses_.push_back(point.loss());
  accuracy_.reset();
  if (training.has_dev_accuracy()) accuracy_ = training.dev_accuracy();
  const std::string state = ShortName(
      *v1::TrainingState_descriptor()->FindValueByNumber(training.state()));
  Say(fmt::format("{} is {}{}{}", training.job_id(), state,
                  training.message().empty() ? "" : ": ", training.message()));
}

bool TrainView::IsTimeToDraw() {
  const auto now = Clock::now();
  const Clock::duration pause =
      redraws_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine);
  if (last_drawn_ && now - *last_drawn_ < pause) return false;
  last_drawn_ = now;
  return true;
}

void TrainView::ShowStep(const TrainingEvent& event) {
  losses_.push_back(event.loss());
  if (losses_.size() > kMaxLosses) losses_.erase(losses_.begin());
  if (!IsTimeToDraw()) return;
  if (!redraws_) {
    Say(TrainLine(event, accuracy_, {}, 200));
    return;
  }
  // One column stays free: a full line would wrap on some terminals.
  fmt::print(stderr, "{}{}", kEraseLine,
             TrainLine(event, accuracy_, losses_, Columns() - 1));
  drawn_ = true;
}

// Between two steps: what takes the time. The expected time stays.
void TrainView::ShowWork(const TrainingEvent& event) {
  if (event.message().empty()) return;
  if (event.seconds_left() > 0) return Say(event.message());
  if (!IsTimeToDraw()) return;
  if (!redraws_) return Say(event.message());
  const std::string line = WithoutControls(event.message());
  fmt::print(stderr, "{}{}", kEraseLine,
             line.substr(0, size_t(std::max(0, Columns() - 1))));
  drawn_ = true;
}

void TrainView::Show(const TrainingEvent& event) {
  if (event.has_dev_accuracy()) accuracy_ = event.dev_accuracy();
  switch (event.kind()) {
    case TrainingEvent::KIND_SNAPSHOT:
      if (event.has_training()) ShowSnapshot(event);
      break;
    case TrainingEvent::KIND_STEP:
      ShowStep(event);
      break;
    case TrainingEvent::KIND_PREPARING:
      ShowWork(event);
      break;
    case TrainingEvent::KIND_EVALUATED:
      if (!event.has_dev_accuracy()) break;
      Say(fmt::format("step {}: dev accuracy {}{}{}", FormatCount(event.step()),
                      Percent(event.dev_accuracy()),
                      event.message().empty() ? "" : "; ", event.message()));
      break;
    case TrainingEvent::KIND_RECIPE_CHANGED:
      losses_.clear();
      Say(event.message());
      break;
    case TrainingEvent::KIND_STAGE_ENDED:
      Say(event.message());
      break;
    default:
      break;
  }
}

}  // namespace gist::client
