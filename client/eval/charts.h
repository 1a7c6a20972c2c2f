// Charts as SVG, drawn for a width of 360 so that a phone can show them.
// Colours are attributes, so that viewers without CSS variables (librsvg) draw
// them. The report's style sheet overrides them. Every mark carries its values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/eval/trial.h"
#include "core/scoring/metrics.h"

namespace gist::client {

struct Axis {
  std::string title;
  bool log = false;
  double low = 0, high = 1;  // of what is drawn; a log axis starts above 0
  std::function<std::string(double)> format;
};

// An axis over all of `values` with some room: from 0, or by whole powers of
// 10.
Axis AxisOver(const std::vector<double>& values, bool log, std::string title,
              std::function<std::string(double)> format);

struct Point {
  Source source;
  double x = 0, y = 0;
  std::optional<Interval> y_range = {};  // a whisker
  std::string label = {};                // beside the mark; empty: none
  std::string attributes = {};           // data-..., escaped
  std::string tooltip = {};
};

struct Scatter {
  std::string title, description;  // for those who do not see it
  Axis x, y;
  double radius = 5;
  std::vector<Point> points = {};
};
std::string Draw(const Scatter& scatter);
// Side by side as an SVG file of its own, with a caption above each and the
// modes' marks below. Needs no style sheet.
struct Panel {
  std::string caption;
  Scatter scatter;
};
std::string DrawFile(const std::vector<Panel>& panels,
                     const std::vector<Mode>& modes);

struct Bar {
  Source source;
  std::string label;
  double value = 0;
  std::string text;        // at its end
  std::string attributes;  // data-..., escaped
};
// Widths are to each other as the values are.
std::string DrawBars(const std::string& title, const std::string& description,
                     const std::vector<Bar>& bars);

}  // namespace gist::client
