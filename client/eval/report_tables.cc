#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "client/eval/html.h"
#include "client/eval/report_parts.h"
#include "client/terminal/units.h"

namespace gist::client {
namespace {

std::string Cell(std::string_view label, std::string_view html,
                 std::string_view attributes = "") {
  return fmt::format("<td data-label=\"{}\"{}>{}</td>", label, attributes,
                     html);
}

std::string WithRange(double share, const Interval& range) {
  return fmt::format("{} <small>{}</small>", Percent(share),
                     PercentRange(range));
}

std::string AccuracyBar(Mode mode, const Mean& accuracy) {
  return fmt::format(
      "<span class=\"meter m-{}\" aria-hidden=\"true\"><i "
      "style=\"width:{:.2f}%\"></i><b style=\"left:{:.2f}%;width:{:.2f}%\"></b>"
      "</span>",
      ModeName(mode), 100 * accuracy.value, 100 * accuracy.interval.low,
      100 * (accuracy.interval.high - accuracy.interval.low));
}

std::string AccuracyCell(std::string_view label, Mode mode,
                         const std::optional<Mean>& accuracy) {
  if (!accuracy) return Cell(label, "–");
  return Cell(label,
              WithRange(accuracy->value, accuracy->interval) +
                  AccuracyBar(mode, *accuracy),
              " class=\"wide\"");
}

// `apart`: what the text answers, and what it does not.
std::string AccuracyCells(const Group& group, bool apart) {
  if (!apart) {
    return AccuracyCell("accuracy", group.mode, group.accuracy) +
           Cell("exact", Percent(group.exact.value));
  }
  const auto mean = [](const std::optional<Part>& part) {
    return part ? std::optional(part->accuracy) : std::nullopt;
  };
  return AccuracyCell("present", group.mode, mean(group.present)) +
         AccuracyCell("absent", group.mode, mean(group.absent)) +
         Cell("exact",
              group.present ? Percent(group.present->exact.value) : "–");
}

std::string CostCells(const Group& group) {
  if (!group.cost) {
    std::string cells;
    for (const char* label :
         {"ratio", "KV bytes", "prepare", "first token", "total"}) {
      cells += Cell(label, "–");
    }
    return cells;
  }
  const Cost& cost = *group.cost;
  const double prepare = cost.prepare_seconds.median;
  return Cell("ratio", FormatRatio(cost.ratio.median),
              Data("ratio", cost.ratio.median)) +
         Cell("KV bytes", FormatBytes(int64_t(cost.kv_bytes.median)),
              Data("kv", cost.kv_bytes.median)) +
         Cell("prepare", prepare > 0 ? FormatSeconds(prepare) : "–") +
         Cell("first token", FormatSeconds(cost.first_token_seconds.median),
              Data("first", cost.first_token_seconds.median)) +
         Cell("total", FormatSeconds(cost.total_seconds.median),
              Data("total", cost.total_seconds.median));
}

std::string HeadlineRow(const Group& group, bool apart) {
  const std::string memory =
      group.peak_memory_bytes
          ? FormatBytes(int64_t(group.peak_memory_bytes->median))
          : "–";
  return fmt::format(
      "<tr{}{}>{}{}{}{}{}</tr>", DataText("plot", "headline"),
      DataSource(group) + Data("value", group.accuracy.value),
      SourceName(group), AccuracyCells(group, apart), CostCells(group),
      Cell("peak memory", memory),
      Cell("asked", FormatCount(group.asked) +
                        (group.errors == 0
                             ? ""
                             : fmt::format(" <em class=\"bad\">{}</em>",
                                           Counted(group.errors, "error")))));
}

std::string HeadCells(std::initializer_list<const char*> names) {
  std::string html;
  for (const char* name : names) {
    html += fmt::format("<th scope=\"col\">{}</th>", name);
  }
  return html;
}

// Rows of the table by family: language, family.
using FamilyKey = std::pair<std::string, std::string>;

std::set<FamilyKey> FamiliesOf(const EvalSummary& summary) {
  std::set<FamilyKey> keys;
  for (const Group& group : summary.groups) {
    if (group.family) keys.insert({*group.language, *group.family});
  }
  return keys;
}

// Cells of one heatmap: by length, then fifth.
using Heat = std::map<int64_t, std::map<int, const Group*>>;
using HeatKey = std::tuple<std::string, std::string>;  // family, language

std::string HeatCell(const Group* group) {
  if (group == nullptr) return "<td class=\"none\">·</td>";
  const double value = group->accuracy.value;
  return fmt::format(
      "<td{} style=\"--v:{:.4f}\"{}{}{}{}{}{}{}{} title=\"{} of {} questions, "
      "95\u00a0%: {}\">{:.0f}</td>",
      value > 0.5 ? " class=\"hot\"" : "", value, DataText("plot", "heat"),
      DataSource(*group), DataText("family", *group->family),
      DataText("language", *group->language), Data("length", *group->length),
      Data("fifth", *group->depth_fifth), Data("value", value),
      Data("n", group->asked), Percent(value), group->asked,
      PercentRange(group->accuracy.interval), 100 * value);
}

std::string HeatTable(const Source& source, const Heat& heat) {
  std::string rows;
  for (const auto& [length, fifths] : heat) {
    rows += fmt::format("<tr><th scope=\"row\">≤ {}</th>", FormatCount(length));
    for (int fifth = 0; fifth < kFifths; ++fifth) {
      const auto found = fifths.find(fifth);
      rows += HeatCell(found == fifths.end() ? nullptr : found->second);
    }
    rows += "</tr>";
  }
  std::string head = "<th scope=\"col\"><small>tokens</small></th>";
  for (int fifth = 0; fifth < kFifths; ++fifth) {
    head += fmt::format("<th scope=\"col\">{}–{}</th>", 20 * fifth,
                        20 * fifth + 20);
  }
  return fmt::format(
      "<table class=\"heat\"><caption>{}</caption><thead><tr>{}</tr></thead>"
      "<tbody>{}</tbody></table>",
      Title(source), head, rows);
}

std::string ShareCell(std::string_view label, const Share& share,
                      std::string_view plot) {
  if (share.total == 0) return Cell(label, "–");
  return Cell(
      label,
      fmt::format("{} <small>{} of {}, {}</small>", Percent(share.value),
                  FormatCount(share.hits), FormatCount(share.total),
                  PercentRange(share.interval)),
      DataText("plot", plot) + Data("value", share.value));
}

std::string RowLanguage(const std::optional<std::string>& language) {
  return Cell("language", language ? LanguageName(*language) : "all");
}

}  // namespace

std::vector<const Group*> Overall(const EvalSummary& summary) {
  std::vector<const Group*> groups;
  for (const Group& group : summary.groups) {
    if (!group.language) groups.push_back(&group);
  }
  return groups;
}

std::vector<std::string> Languages(const EvalSummary& summary) {
  std::set<std::string> languages;
  for (const Group& group : summary.groups) {
    if (group.language) languages.insert(*group.language);
  }
  return {languages.begin(), languages.end()};
}

const Group* FindGroup(const EvalSummary& summary, const Source& source,
                       const std::optional<std::string>& language,
                       const std::optional<std::string>& family) {
  for (const Group& group : summary.groups) {
    if (group.language == language && group.family == family && !group.length &&
        !group.depth_fifth && static_cast<const Source&>(group) == source) {
      return &group;
    }
  }
  return nullptr;
}

std::string Section(std::string_view id, std::string_view title,
                    std::string_view lead, std::string_view body) {
  return fmt::format("<section id=\"{}\"><h2>{}</h2>{}{}</section>", id, title,
                     lead.empty() ? "" : fmt::format("<p>{}</p>", lead), body);
}

std::string ScrollTable(std::string_view cls, std::string_view caption,
                        std::string_view head, std::string_view rows) {
  return fmt::format(
      "<div class=\"scroll\"><table class=\"{}\"><caption class=\"hidden\">{}"
      "</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
      cls, caption, head, rows);
}

std::string HeadlineSection(const EvalSummary& summary) {
  const auto groups = Overall(summary);
  const bool apart = std::ranges::any_of(
      groups, [](const Group* group) { return group->absent.has_value(); });
  std::string rows;
  for (const Group* group : groups) rows += HeadlineRow(*group, apart);
  const std::string lead = fmt::format(
      "{} an error as a wrong answer; small figures are 95\u00a0% intervals. "
      "Ratio, bytes and times are medians. “Prepare” happens once for a "
      "document: compressing it, indexing it.",
      apart
          ? "Present: questions that the text answers, with their exact "
            "answers. Absent: questions that it does not answer; a refusal is "
            "right. Both count"
          : "Accuracy counts");
  const std::string head =
      HeadCells({"mode"}) +
      (apart ? HeadCells({"present", "absent"}) : HeadCells({"accuracy"})) +
      HeadCells({"exact", "ratio", "KV bytes", "prepare", "first token",
                 "total", "peak memory", "asked"});
  return Section(
      "headline", "At a glance", lead,
      ScrollTable("stack three", "Accuracy, size and time of each mode", head,
                  rows));
}

std::string FamilySection(const EvalSummary& summary) {
  const auto sources = Overall(summary);
  std::string head = HeadCells({"questions"}), rows;
  for (const Group* source : sources) {
    head += fmt::format("<th scope=\"col\">{}</th>", Title(*source));
  }
  for (const auto& [language, family] : FamiliesOf(summary)) {
    rows += fmt::format("<tr><th scope=\"row\">{}<br><small>{}</small></th>",
                        Quote(family, 60), LanguageName(language));
    for (const Group* source : sources) {
      const std::string title = Title(*source);
      const Group* group = FindGroup(summary, *source, language, family);
      if (group == nullptr) {
        rows += Cell(title, "–");
        continue;
      }
      rows += Cell(
          title,
          fmt::format("{}<br><small>{}, n={}</small>",
                      Percent(group->accuracy.value),
                      PercentRange(group->accuracy.interval), group->asked),
          DataText("plot", "family") + DataSource(*group) +
              DataText("family", family) + DataText("language", language) +
              Data("value", group->accuracy.value));
    }
    rows += "</tr>";
  }
  return Section(
      "families", "Accuracy by kind of question", "",
      ScrollTable("matrix", "Accuracy by kind and mode", head, rows));
}

std::string HeatmapSection(const EvalSummary& summary) {
  std::map<HeatKey, std::map<Source, Heat>> panels;
  for (const Group& group : summary.groups) {
    if (!group.depth_fifth) continue;
    panels[{*group.family, *group.language}][group][*group.length]
          [*group.depth_fifth] = &group;
  }
  std::string body;
  for (const auto& [key, sources] : panels) {
    body += fmt::format("<h3>{}, {}</h3><div class=\"panels heats\">",
                        Quote(std::get<0>(key), 60),
                        LanguageName(std::get<1>(key)));
    for (const auto& [source, heat] : sources) {
      body += HeatTable(source, heat);
    }
    body += "</div>";
  }
  if (body.empty()) return "";
  return Section("depth", "Needle in a haystack",
                 "Accuracy in per cent. Downwards: tokens of the document, at "
                 "most; across: depth of the needle, per cent of the document. "
                 "A dot: nothing was asked there.",
                 body);
}

std::string HallucinationSection(const EvalSummary& summary) {
  std::string rows;
  for (const Hallucination& row : summary.hallucination) {
    rows += "<tr>" + SourceName(row) + RowLanguage(row.language) +
            ShareCell("made up", row.confident, "confident") +
            ShareCell("false refusals", row.false_refusal, "false-refusal") +
            ShareCell("other value", row.other_value, "other-value") +
            ShareCell("other document", row.other_document, "other-document") +
            "</tr>";
  }
  if (rows.empty()) return "";
  return Section(
      "hallucination", "Hallucination",
      "Made up: confident answers about what the text does not say. False "
      "refusals: “not mentioned” about what it does say. Other value, other "
      "document: answers that name the answer of another question.",
      ScrollTable("stack three", "Hallucination of each mode",
                  HeadCells({"mode", "language", "made up", "false refusals",
                             "other value", "other document"}),
                  rows));
}

std::string UnderstandingSection(const EvalSummary& summary) {
  // A row for each mode and language; a column for each kind of question.
  std::vector<std::pair<std::string, std::map<std::string, Share>>> rows;
  std::set<std::string> kinds;
  for (const Understanding& row : summary.understanding) {
    const std::string kind = row.choice.value_or("all");
    if (!row.choice) {
      rows.push_back({SourceName(row) + RowLanguage(row.language), {}});
    } else {
      kinds.insert(kind);
    }
    rows.back().second[kind] = row.right;
  }
  if (rows.empty()) return "";
  std::string head = HeadCells({"mode", "language", "all"}), body;
  for (const std::string& kind : kinds) {
    head += fmt::format("<th scope=\"col\">{}</th>", Escape(kind));
  }
  for (const auto& [name, shares] : rows) {
    body += "<tr>" + name;
    body += ShareCell("all", shares.at("all"), "understanding");
    for (const std::string& kind : kinds) {
      const auto share = shares.find(kind);
      body += ShareCell(Escape(kind),
                        share == shares.end() ? Share() : share->second,
                        "understanding-kind");
    }
    body += "</tr>";
  }
  return Section(
      "understanding", "Understanding of the whole",
      fmt::format("One of the options that the question names; of overviews "
                  "the main topic, who is mentioned most, what came first. "
                  "Guessing gives {}.",
                  Percent(summary.understanding.front().chance)),
      ScrollTable("stack three", "Understanding by mode", head, body));
}

std::string ThroughputSection(const EvalSummary& summary) {
  std::string rows;
  for (const Throughput& row : summary.throughput) {
    rows += "<tr>" + SourceName(row) +
            Cell("questions a minute",
                 fmt::format("{:.1f}", row.questions_per_minute),
                 DataText("plot", "throughput") +
                     Data("value", row.questions_per_minute)) +
            Cell("document tokens/s",
                 FormatCount(int64_t(row.document_tokens_per_second))) +
            Cell("answer tokens/s",
                 fmt::format("{:.1f}", row.answer_tokens_per_second)) +
            Cell("compressing, tokens/s",
                 row.compress_tokens_per_second
                     ? FormatCount(int64_t(*row.compress_tokens_per_second))
                     : "–") +
            "</tr>";
  }
  if (rows.empty()) return "";
  return Section(
      "throughput", "Throughput",
      "One question after the other, without compressing and "
      "indexing; document tokens are those that are asked about.",
      ScrollTable("stack three", "Throughput of each mode",
                  HeadCells({"mode", "questions a minute", "document tokens/s",
                             "answer tokens/s", "compressing, tokens/s"}),
                  rows));
}

}  // namespace gist::client
