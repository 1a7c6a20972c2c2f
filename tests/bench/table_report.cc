#include "tests/bench/table_report.h"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "core/scoring/metrics.h"
#include "fmt/format.h"

namespace gist::bench {
namespace {

std::string Percent(int hits, int asked) {
  return fmt::format("{:.0f} %", 100.0 * hits / asked);
}

std::string WithInterval(int hits, int asked) {
  const Interval interval = WilsonInterval(hits, asked);
  return fmt::format("{} ({:.0f}-{:.0f})", Percent(hits, asked),
                     100 * interval.low, 100 * interval.high);
}

std::set<int> GistCounts(const std::map<Cell, Tally>& cells) {
  std::set<int> counts;
  for (const auto& [cell, tally] : cells) {
    if (cell.source == Source::kGists) counts.insert(cell.gists);
  }
  return counts;
}

// A row of the first table.
using Row = std::tuple<std::string, std::string, std::string, int>;

std::string DrawSummary(const std::map<Cell, Tally>& cells) {
  const std::set<int> counts = GistCounts(cells);
  std::string head = "| set | family | language | tokens up to |";
  std::string rule = "|---|---|---|---|";
  for (const int gists : counts) {
    head += fmt::format(" {} gists |", gists);
    rule += "---|";
  }
  std::map<Row, std::map<int, const Tally*>> rows;
  for (const auto& [cell, tally] : cells) {
    if (cell.source != Source::kGists) continue;
    rows[{cell.set, cell.family, cell.language, cell.length}][cell.gists] =
        &tally;
  }
  std::string table = head + "\n" + rule + "\n";
  for (const auto& [row, by_gists] : rows) {
    table += fmt::format("| {} | {} | {} | {} |", std::get<0>(row),
                         std::get<1>(row), std::get<2>(row), std::get<3>(row));
    for (const int gists : counts) {
      const auto found = by_gists.find(gists);
      table += found == by_gists.end()
                   ? " |"
                   : fmt::format(" {}, n={} |",
                                 WithInterval(found->second->exact,
                                              found->second->asked),
                                 found->second->asked);
    }
    table += "\n";
  }
  return table;
}

std::string SourceTitle(const Cell& cell) {
  if (cell.source == Source::kGists) return fmt::format("{} gists", cell.gists);
  if (cell.gists == 0) return std::string(TitleOf(cell.source));
  return fmt::format("{}, {}", TitleOf(cell.source), cell.gists);
}

std::string DrawCell(const Cell& cell, const Tally& tally) {
  const int n = tally.asked;
  std::string fifths;
  for (int i = 0; i < kFifths; ++i) {
    fifths += i == 0 ? "" : " / ";
    fifths += tally.fifth_asked[i] == 0
                  ? "-"
                  : fmt::format("{:.0f}", 100.0 * tally.fifth_exact[i] /
                                              tally.fifth_asked[i]);
  }
  return fmt::format(
      "| {} | {} | {} | {} | {} | {} | {} | {:.0f}x | {} | {} | {:.0f} % | {} "
      "| {:.2f} "
      "|\n",
      cell.set, cell.family, cell.language, cell.length, SourceTitle(cell), n,
      tally.document_tokens / n, tally.ratio / n, WithInterval(tally.exact, n),
      WithInterval(tally.contains, n), 100 * tally.characters / n, fifths,
      tally.first_token_seconds / n);
}

constexpr int kCell = 44, kRow = 26, kGap = 28, kLabel = 56, kTitle = 34;
constexpr int kPanelWidth = kLabel + kFifths * kCell + kGap;

std::string Text(int x, int y, std::string_view anchor, std::string_view fill,
                 std::string_view text) {
  return fmt::format(
      "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n", x,
      y, anchor, fill, text);
}

// From nearly white at 0 to blue at 1.
std::string ColorOf(double share) {
  const auto mix = [&](int low, int high) {
    return int(low + share * (high - low));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(241, 29), mix(245, 78),
                     mix(249, 216));
}

std::string DrawFifth(int x, int y, int exact, int asked) {
  const double share = asked == 0 ? 0 : double(exact) / asked;
  std::string svg = fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x,
      y, kCell - 2, kRow - 2, asked == 0 ? "#ffffff" : ColorOf(share));
  return svg + Text(x + kCell / 2, y + 17, "middle",
                    share > 0.55 ? "#ffffff" : "#0f172a",
                    asked == 0 ? "-" : fmt::format("{:.0f}", 100 * share));
}

// Rows of one panel: by length.
using Panel = std::map<int, const Tally*>;

std::string DrawPanel(const std::string& title, const Panel& panel, int x,
                      int y) {
  std::string svg = Text(x + kLabel, y + 12, "start", "#0f172a", title);
  for (int fifth = 0; fifth < kFifths; ++fifth) {
    svg += Text(x + kLabel + fifth * kCell + kCell / 2, y + 28, "middle",
                "#64748b", fmt::format("{}-{}", 20 * fifth, 20 * fifth + 20));
  }
  int row = y + kTitle;
  for (const auto& [length, tally] : panel) {
    svg += Text(x + kLabel - 8, row + 17, "end", "#64748b",
                std::to_string(length));
    for (int fifth = 0; fifth < kFifths; ++fifth) {
      svg += DrawFifth(x + kLabel + fifth * kCell, row,
                       tally->fifth_exact[fifth], tally->fifth_asked[fifth]);
    }
    row += kRow;
  }
  return svg;
}

}  // namespace

std::string DrawMarkdown(const RunInfo& run,
                         const std::map<Cell, Tally>& cells) {
  std::string text = fmt::format(
      "# Accuracy of adapter {}\n\nMachine: {}. Model {}, `{}`. Adapter `{}`. "
      "Made "
      "by:\n\n",
      run.adapter_name, run.machine, run.model_name, run.model_fingerprint,
      run.adapter_fingerprint);
  for (const std::string& command : run.commands)
    text += "    " + command + "\n";
  text +=
      "\nGreedy answers through Compress and Ask. Exact: the answer, trimmed, "
      "is the key. "
      "Intervals: 95 %, Wilson.\n\n## Exact, from gists\n\n";
  text += DrawSummary(cells);
  text +=
      "\n![exact matches by length and depth](heatmap.svg)\n\n## Every cell\n\n"
      "\"Contains\" allows words around the key; \"characters\" is the share "
      "of the key's "
      "characters at their places; \"depth\" gives exact matches, in per cent, "
      "by fifths "
      "of the document in which the needle stands.\n\n"
      "| set | family | language | tokens up to | answered from | n | tokens | "
      "ratio | "
      "exact | contains | characters | depth | first token, s |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& [cell, tally] : cells) text += DrawCell(cell, tally);
  return text;
}

std::string DrawHeatmap(const std::map<Cell, Tally>& cells) {
  const std::set<int> counts = GistCounts(cells);
  std::map<std::string, std::map<int, Panel>> rows;  // title, gists
  for (const auto& [cell, tally] : cells) {
    const bool has_depths =
        std::ranges::any_of(tally.fifth_asked, std::identity());
    if (cell.source != Source::kGists || !has_depths) continue;
    rows[fmt::format("{}, {}, {}", cell.set, cell.family, cell.language)]
        [cell.gists][cell.length] = &tally;
  }
  std::string svg;
  int y = 40;
  for (const auto& [title, panels] : rows) {
    size_t lines = 0;
    for (const auto& [gists, panel] : panels) {
      const int column = int(std::distance(counts.begin(), counts.find(gists)));
      svg += DrawPanel(fmt::format("{}: {} gists", title, gists), panel,
                       10 + column * kPanelWidth, y);
      lines = std::max(lines, panel.size());
    }
    y += kTitle + int(lines) * kRow + kGap;
  }
  const int width = 10 + int(std::max<size_t>(counts.size(), 2)) * kPanelWidth;
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" "
             "height=\"{1}\" "
             "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
             "font-size=\"12\">\n"
             "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
             width, y) +
         Text(10, 20, "start", "#0f172a",
              "Exact matches, per cent: tokens (down) by depth of the needle "
              "(across)") +
         svg + "</svg>\n";
}

}  // namespace gist::bench
