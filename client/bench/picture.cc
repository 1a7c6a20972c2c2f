// The picture of `gist bench --svg`.
#include <algorithm>

#include "client/bench/command.h"
#include "client/eval/charts.h"
#include "client/terminal/units.h"

namespace gist::client {
namespace {

std::string Count(double value) { return FormatCount(int64_t(value)); }

// A mark at the median, its whisker from minimum to maximum.
Point Mark(Mode mode, double x, const Samples& values) {
  return {
      .source = {.mode = mode},
      .x = x,
      .y = Median(values),
      .y_range = Interval{std::ranges::min(values), std::ranges::max(values)}};
}

// Nothing without points.
void AddPanel(std::vector<Panel>& panels, const std::string& caption,
              const std::string& x_title, const std::string& y_title,
              bool log_y, std::vector<Point> points) {
  if (points.empty()) return;
  std::vector<double> xs, ys;
  for (const Point& point : points) {
    xs.push_back(point.x);
    ys.push_back(point.y_range->low);
    ys.push_back(point.y_range->high);
  }
  const auto format = log_y ? FormatSeconds : Count;
  panels.push_back({caption,
                    {.title = caption,
                     .description = y_title + " by " + x_title,
                     .x = AxisOver(xs, false, x_title, Count),
                     .y = AxisOver(ys, log_y, y_title, format),
                     .points = std::move(points)}});
}

}  // namespace

std::string DrawBench(const BenchFigures& figures) {
  std::vector<Point> first, compress, decode, answers;
  std::vector<Mode> modes;
  const auto note_mode = [&modes](Mode mode) {
    if (std::ranges::count(modes, mode) == 0) modes.push_back(mode);
  };
  for (const FirstTokenFigures& one : figures.first_token) {
    if (one.first.empty()) continue;
    first.push_back(Mark(one.mode, Median(one.tokens), one.first));
    note_mode(one.mode);
  }
  for (const CompressFigures& one : figures.compress) {
    if (one.tokens.empty()) continue;
    compress.push_back(
        Mark(Mode::kGist, Median(one.tokens), one.tokens_per_second));
    note_mode(Mode::kGist);
  }
  for (const DecodeFigures& one : figures.decode) {
    if (one.tokens_per_second.empty()) continue;
    decode.push_back(Mark(one.mode, Median(one.tokens), one.tokens_per_second));
    note_mode(one.mode);
  }
  for (const AnswerFigures& one : figures.answers) {
    if (one.tokens_per_second.empty()) continue;
    answers.push_back(Mark(Mode::kGist, one.at_once, one.tokens_per_second));
    note_mode(Mode::kGist);
  }
  std::vector<Panel> panels;
  AddPanel(panels, "First token of a new text's first question",
           "tokens of the text", "seconds", true, std::move(first));
  AddPanel(panels, "Compress", "tokens of the text", "tokens a second", false,
           std::move(compress));
  AddPanel(panels, "One answer", "tokens of the text", "tokens a second", false,
           std::move(decode));
  AddPanel(panels, "Answers together", "answers at once", "tokens a second",
           false, std::move(answers));
  return DrawFile(panels, modes);
}

}  // namespace gist::client
