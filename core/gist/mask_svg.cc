#include <array>
#include <string_view>

#include "core/gist/mask.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr int kCell = 14;
constexpr int kLeft = 96;
constexpr int kTop = 64;

struct Part {
  std::string_view name;
  std::string_view color;
  int begin;
  int end;
};

std::array<Part, 5> PartsOf(const MaskShape& shape) {
  const int question_end = shape.gist_end() + shape.question_tokens;
  return {{{"prefix", "#94a3b8", 0, shape.prefix_tokens},
           {"context", "#60a5fa", shape.prefix_tokens, shape.gist_begin()},
           {"gists", "#f59e0b", shape.gist_begin(), shape.gist_end()},
           {"question", "#34d399", shape.gist_end(), question_end},
           {"answer", "#a78bfa", question_end, shape.total()}}};
}

std::string_view ColorOf(const std::array<Part, 5>& parts, int token) {
  for (const Part& part : parts) {
    if (token < part.end) return part.color;
  }
  return "#000000";
}

std::string Text(int x, int y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n",
                     x, y, anchor, text);
}

// Names along both edges, and a line where one part ends.
std::string DrawEdges(const std::array<Part, 5>& parts, int total) {
  std::string svg;
  const int side = total * kCell;
  for (const Part& part : parts) {
    if (part.begin == part.end) continue;
    const int middle = (part.begin + part.end) * kCell / 2;
    // Narrow columns would overlap: every other name stands one line higher.
    const bool narrow = (part.end - part.begin) * kCell < 70;
    svg += Text(kLeft + middle, narrow ? kTop - 26 : kTop - 8, "middle",
                part.name);
    svg += Text(kLeft - 8, kTop + middle + 4, "end", part.name);
    const int end = part.end * kCell;
    svg += fmt::format(
        "<path d=\"M{} {}v{}M{} {}h{}\" stroke=\"#334155\" fill=\"none\"/>\n",
        kLeft + end, kTop, side, kLeft, kTop + end, side);
  }
  return svg;
}

}  // namespace

std::string DrawMaskSvg(const MaskShape& shape) {
  const int total = shape.total();
  const int width = kLeft + total * kCell + 24;
  const int height = kTop + total * kCell + 56;
  const auto parts = PartsOf(shape);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#0f172a\">\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#ffffff\"/>\n",
      width, height);
  svg += Text(kLeft, 18, "start", "who attends (down) to whom (across)");
  for (int query = 0; query < total; ++query) {
    for (int key = 0; key < total; ++key) {
      svg += fmt::format(
          "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n",
          kLeft + key * kCell + 1, kTop + query * kCell + 1, kCell - 2,
          kCell - 2,
          MayAttend(shape, query, key) ? ColorOf(parts, key) : "#f1f5f9");
    }
  }
  svg += DrawEdges(parts, total);
  svg += Text(kLeft, height - 30, "start",
              "Filled: may attend. Question and answer see the gists,");
  svg += Text(kLeft, height - 14, "start", "never the context behind them.");
  return svg + "</svg>\n";
}

}  // namespace gist
