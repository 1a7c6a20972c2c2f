// What a person sees of a training that runs.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/training_client.h"
#include "core/base/clock.h"

namespace gist::client {

// At most `columns` block characters, the first value to the left; the largest
// value is a whole block, the smallest the lowest one. Where there are more
// values than columns each column is their mean.
std::string Sparkline(std::span<const double> values, int columns);

// "short 120/6,000 [##....] loss 1.234 dev 45 % 8,400 tokens/s, 2 h 3 min
// left", with a sparkline of the losses where there is room: what fits in
// `columns`, the most important first.
std::string TrainLine(const TrainingEvent& step, std::optional<double> accuracy,
                      std::span<const double> losses, int columns);

// Follows the events of one training: on a terminal one line that redraws
// itself, and lines that stay for what matters; elsewhere plain lines, of steps
// and of reading one in ten seconds. All on standard error.
class TrainView {
 public:
  TrainView();
  ~TrainView();
  TrainView(const TrainView&) = delete;
  TrainView& operator=(const TrainView&) = delete;

  void Show(const TrainingEvent& event);
  // Takes the redrawn line away.
  void Clear();

 private:
  // Is the last line old enough for another?
  bool IsTimeToDraw();
  void ShowSnapshot(const TrainingEvent& event);
  void ShowStep(const TrainingEvent& event);
  void ShowWork(const TrainingEvent& event);
  void Say(const std::string& line);

  const bool redraws_;
  bool drawn_ = false;
  std::optional<Clock::time_point> last_drawn_;
  std::optional<double> accuracy_;
  std::vector<double> losses_;
};

}  // namespace gist::client
