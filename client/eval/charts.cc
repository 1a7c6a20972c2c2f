#include "client/eval/charts.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "client/eval/html.h"

namespace gist::client {
namespace {

constexpr double kWidth = 360, kHeight = 270;
constexpr double kLeft = 60, kRight = 346, kTop = 14, kBottom = 222;
constexpr double kLabelHeight = 13, kCharacter = 6.2;  // of a label, about

// The look of a drawing where no style sheet reaches it: attributes, which
// every viewer of SVG knows. The report's style sheet overrides them, so that
// its charts follow a dark page.
constexpr std::string_view kInk = "#1b1f24", kSoft = "#5b6570";
constexpr std::string_view kLine = "#e2e4e6", kCard = "#fff";
constexpr std::string_view kFont =
    "font-family=\"system-ui, Helvetica, Arial, sans-serif\"";

std::string LookOfText(std::string_view cls) {
  if (cls == "label") {
    return fmt::format(
        "fill=\"{}\" font-size=\"12\" stroke=\"{}\" stroke-width=\"3\" "
        "stroke-linejoin=\"round\" paint-order=\"stroke\"",
        kInk, kCard);
  }
  if (cls == "caption") {
    return fmt::format("fill=\"{}\" font-size=\"14\" font-weight=\"600\"",
                       kInk);
  }
  return fmt::format("fill=\"{}\" font-size=\"11\"", kSoft);
}

double Along(const Axis& axis, double value) {
  if (!axis.log) return (value - axis.low) / (axis.high - axis.low);
  return (std::log10(value) - std::log10(axis.low)) /
         (std::log10(axis.high) - std::log10(axis.low));
}

double X(const Axis& axis, double value) {
  return kLeft + std::clamp(Along(axis, value), 0.0, 1.0) * (kRight - kLeft);
}

double Y(const Axis& axis, double value) {
  return kBottom - std::clamp(Along(axis, value), 0.0, 1.0) * (kBottom - kTop);
}

// 1, 2 or 5 times a power of 10: at most six steps to `high`.
double StepOf(double high) {
  const double rough = high / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

std::vector<double> Ticks(const Axis& axis) {
  std::vector<double> ticks;
  if (axis.log) {
    const int low = int(std::lround(std::log10(axis.low)));
    const int high = int(std::lround(std::log10(axis.high)));
    const int step = std::max(1, (high - low + 4) / 5);
    for (int power = low; power <= high; power += step) {
      ticks.push_back(std::pow(10, power));
    }
    return ticks;
  }
  const double step = StepOf(axis.high - axis.low);
  for (int i = 0; axis.low + i * step <= axis.high * 1.0001; ++i) {
    ticks.push_back(axis.low + i * step);
  }
  return ticks;
}

std::string Text(double x, double y, std::string_view cls,
                 std::string_view anchor, std::string_view text) {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" {} text-anchor=\"{}\">{}"
      "</text>",
      x, y, cls, LookOfText(cls), anchor, Escape(text));
}

std::string DrawAxes(const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : Ticks(y)) {
    const double at = Y(y, tick);
    svg += fmt::format(
        "<line class=\"grid\" stroke=\"{}\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" "
        "y2=\"{:.1f}\"/>",
        kLine, kLeft, kRight, at, at);
    svg += Text(kLeft - 6, at + 4, "tick", "end", y.format(tick));
  }
  for (const double tick : Ticks(x)) {
    const double at = X(x, tick);
    svg += fmt::format(
        "<line class=\"grid\" stroke=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" "
        "y1=\"{}\" y2=\"{}\"/>",
        kLine, at, at, kTop, kBottom);
    svg += Text(at, kBottom + 16, "tick", "middle", x.format(tick));
  }
  svg += fmt::format(
      "<line class=\"base\" stroke=\"{3}\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" "
      "y2=\"{2}\"/>",
      kLeft, kRight, kBottom, kSoft);
  svg += Text((kLeft + kRight) / 2, kHeight - 10, "axis", "middle", x.title);
  return svg + fmt::format(
                   "<text class=\"axis\" {} text-anchor=\"middle\" "
                   "transform=\"translate(10 {:.1f}) rotate(-90)\">{}</text>",
                   LookOfText("axis"), (kTop + kBottom) / 2, Escape(y.title));
}

std::string DrawWhisker(const Axis& y, const Point& point, double x) {
  if (!point.y_range) return "";
  return fmt::format(
      "<line class=\"whisker m-{}\" stroke=\"{}\" stroke-width=\"1.6\" "
      "x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
      ModeName(point.source.mode), ColorOf(point.source.mode), x, x,
      Y(y, point.y_range->low), Y(y, point.y_range->high));
}

struct Box {
  double x = 0, y = 0, width = 0;
};

bool Overlap(const Box& a, const Box& b) {
  return std::abs(a.y - b.y) < kLabelHeight && a.x < b.x + b.width &&
         b.x < a.x + a.width;
}

// Labels stand beside their mark, right or left, or step aside, up and down in
// turn, until they stand alone.
std::string DrawLabel(const Point& point, double x, double y, double radius,
                      std::vector<Box>* placed) {
  if (point.label.empty()) return "";
  const double width = kCharacter * double(point.label.size());
  const double gap = radius + 4;
  Box box;
  bool left = false;
  const auto is_free = [&] {
    return box.x >= kLeft && box.x + width <= kRight && box.y >= kTop + 4 &&
           box.y <= kBottom - 2 &&
           std::none_of(placed->begin(), placed->end(),
                        [&](const Box& other) { return Overlap(box, other); });
  };
  for (int i = 0; i < 32; ++i) {
    const int step = i / 2;  // 0, 1 up, 1 down, 2 up, ...
    left = i % 2 == 1;
    box = {left ? x - gap - width : x + gap,
           y + 4 + (step % 2 == 0 ? 1 : -1) * kLabelHeight * ((step + 1) / 2),
           width};
    if (is_free()) break;
  }
  placed->push_back(box);
  return Text(left ? box.x + width : box.x, box.y, "label",
              left ? "end" : "start", point.label);
}

std::string Open(double height, const std::string& title,
                 const std::string& description) {
  return fmt::format(
      "<svg class=\"chart\" "
      "viewBox=\"0 0 {} {}\" {} role=\"img\" aria-label=\"{}. {}\">",
      kWidth, height, kFont, Escape(title), Escape(description));
}

}  // namespace

Axis AxisOver(const std::vector<double>& values, bool log, std::string title,
              std::function<std::string(double)> format) {
  Axis axis{.title = std::move(title), .log = log, .format = std::move(format)};
  double low = 0, high = 0;
  for (const double value : values) {
    if (log && value <= 0) continue;
    low = low == 0 ? value : std::min(low, value);
    high = std::max(high, value);
  }
  if (log) {
    if (high == 0) low = high = 1;
    axis.low = std::pow(10, std::floor(std::log10(low) + 1e-9));
    axis.high = std::pow(10, std::ceil(std::log10(high) - 1e-9));
    if (axis.high <= axis.low) axis.high = axis.low * 10;
    return axis;
  }
  if (high == 0) high = 1;
  const double step = StepOf(high);
  axis.low = 0;
  axis.high = std::ceil(high / step - 1e-9) * step;
  return axis;
}

namespace {

std::string DrawInside(const Scatter& scatter) {
  std::string svg = DrawAxes(scatter.x, scatter.y);
  std::string marks, labels;
  std::vector<Box> placed;
  for (const Point& point : scatter.points) {
    const double x = X(scatter.x, point.x), y = Y(scatter.y, point.y);
    svg += DrawWhisker(scatter.y, point, x);
    marks += Marker(point.source, x, y, scatter.radius,
                    point.attributes + Data("x", point.x) + Data("y", point.y),
                    point.tooltip);
    // No label covers a mark.
    if (!point.label.empty()) placed.push_back({x - 6, y + 4, 12});
  }
  for (const Point& point : scatter.points) {
    labels += DrawLabel(point, X(scatter.x, point.x), Y(scatter.y, point.y),
                        scatter.radius, &placed);
  }
  return svg + marks + labels;
}

}  // namespace

std::string Draw(const Scatter& scatter) {
  return Open(kHeight, scatter.title, scatter.description) +
         DrawInside(scatter) + "</svg>";
}

std::string DrawFile(const std::vector<Panel>& panels,
                     const std::vector<Mode>& modes) {
  constexpr double kTopRoom = 38, kBottomRoom = 34, kGap = 24, kStep = 140;
  const double width = double(panels.size()) * (kWidth + kGap) + kGap;
  const double height = kTopRoom + kHeight + kBottomRoom;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" {2} role=\"img\">"
      "<rect width=\"{0}\" height=\"{1}\" rx=\"10\" fill=\"{3}\"/>",
      width, height, kFont, kCard);
  for (size_t i = 0; i < panels.size(); ++i) {
    svg += fmt::format("<g transform=\"translate({} {})\">{}{}</g>",
                       kGap + double(i) * (kWidth + kGap), kTopRoom,
                       Text(kLeft, -12, "caption", "start", panels[i].caption),
                       DrawInside(panels[i].scatter));
  }
  double x = kGap + kLeft;
  for (const Mode mode : modes) {
    svg += Marker({.mode = mode}, x, height - 24, 5, "", "");
    svg += Text(x + 11, height - 20, "label", "start", LongName(mode));
    x += kStep;
  }
  return svg + "</svg>\n";
}

std::string DrawBars(const std::string& title, const std::string& description,
                     const std::vector<Bar>& bars) {
  constexpr double kRow = 30, kFrom = 82, kLongest = 190, kThick = 16;
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.value);
  std::string svg = Open(kRow * double(bars.size()) + 4, title, description);
  double y = 4;
  for (const Bar& bar : bars) {
    const double width = most > 0 ? bar.value / most * kLongest : 0;
    svg += Text(kFrom - 8, y + 13, "label", "end", bar.label);
    svg += fmt::format(
        "<rect class=\"bar m-{}{}\" {} x=\"{}\" y=\"{:.1f}\" width=\"{:.4f}\" "
        "height=\"{}\" rx=\"2\"{}{}/>",
        ModeName(bar.source.mode), AnswerAdapterClass(bar.source),
        Look(bar.source, 1), kFrom, y, width, kThick, Data("value", bar.value),
        bar.attributes);
    // A bar too thin to be seen keeps a mark at its root.
    svg += fmt::format(
        "<line class=\"base\" stroke=\"{3}\" x1=\"{0}\" x2=\"{0}\" "
        "y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>",
        kFrom, y - 2, y + kThick + 2, kSoft);
    svg += Text(kFrom + width + 6, y + 13, "tick", "start", bar.text);
    y += kRow;
  }
  return svg + "</svg>";
}

}  // namespace gist::client
