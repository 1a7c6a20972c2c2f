#include "client/eval/report.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/eval/charts.h"
#include "client/eval/html.h"
#include "client/eval/report_parts.h"
#include "client/terminal/units.h"

namespace gist::client {
namespace {

// Of a figure: more make the page slow and say no more.
constexpr size_t kMostMarks = 3000;

std::string Bytes(double bytes) { return FormatBytes(int64_t(bytes)); }

// Of a tick: "10 MB".
std::string ShortBytes(double bytes) {
  constexpr std::string_view kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000;
  return fmt::format("{:g} {}", bytes, kUnits[unit]);
}

std::string ShortSeconds(double seconds) {
  if (seconds >= 1) return fmt::format("{:g} s", seconds);
  return fmt::format("{:g} ms", 1000 * seconds);
}

std::string PercentTick(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

std::vector<Mode> ModesOf(const EvalSummary& summary) {
  std::vector<Mode> modes;
  for (const Group* group : Overall(summary)) {
    if (modes.empty() || modes.back() != group->mode) {
      modes.push_back(group->mode);
    }
  }
  return modes;
}

std::string Figure(std::string_view caption, std::string_view svg) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>", caption,
                     svg);
}

Point BytesPoint(const Group& group) {
  const std::string title = Title(group);
  const double bytes = group.cost->kv_bytes.mean;
  return {.source = group,
          .x = bytes,
          .y = group.accuracy.value,
          .y_range = group.accuracy.interval,
          .label = Title(Source{group.mode, group.gists}),  // hollow: adapted
          .attributes = DataText("plot", "accuracy-bytes") + DataSource(group) +
                        DataText("language", group.language.value_or("")) +
                        Data("low", group.accuracy.interval.low) +
                        Data("high", group.accuracy.interval.high),
          .tooltip = fmt::format(
              "{}: {} ({}) from {}", title, Percent(group.accuracy.value),
              PercentRange(group.accuracy.interval), Bytes(bytes))};
}

// A scatter for each language that has answers.
std::vector<Panel> BytesPanels(const EvalSummary& summary) {
  std::vector<double> all;
  for (const Group& group : summary.groups) {
    if (group.cost) all.push_back(group.cost->kv_bytes.mean);
  }
  std::vector<Panel> panels;
  for (const std::string& language : Languages(summary)) {
    Scatter scatter{.title = "Accuracy against KV bytes, " + language,
                    .description = "The numbers are in the tables.",
                    .x = AxisOver(all, true, "KV bytes, mean", ShortBytes),
                    .y = {.title = "accuracy", .format = PercentTick}};
    for (const Group* source : Overall(summary)) {
      const Group* group = FindGroup(summary, *source, language, {});
      if (group != nullptr && group->cost) {
        scatter.points.push_back(BytesPoint(*group));
      }
    }
    if (scatter.points.empty()) continue;
    panels.push_back({LanguageName(language), std::move(scatter)});
  }
  return panels;
}

std::string BytesSection(const EvalSummary& summary) {
  std::string figures;
  for (const Panel& panel : BytesPanels(summary)) {
    figures += Figure(panel.caption, Draw(panel.scatter));
  }
  if (figures.empty()) return "";
  const bool adapted = std::ranges::any_of(summary.groups, [](const Group& g) {
    return g.answer_adapter == AnswerAdapter::kOn;
  });
  return Section(
      "bytes", "Accuracy against memory",
      fmt::format("Keys and values that stand for the document, 16 bits a "
                  "value, on a log scale. Up and left is better. Whiskers: "
                  "95\u00a0% intervals.{}",
                  adapted ? " Hollow: with the answer adapter." : ""),
      Legend(ModesOf(summary)) + "<div class=\"panels\">" + figures + "</div>");
}

Point TimePoint(const Trial& trial) {
  const double seconds = std::max(
      0.0, trial.costs->first_token_seconds - trial.costs->index_seconds);
  return {.source = trial,
          .x = double(trial.costs->document_tokens),
          .y = seconds,
          .attributes = DataText("plot", "first-token") + DataSource(trial) +
                        DataText("sample", trial.sample),
          .tooltip =
              fmt::format("{}, {} tokens: {:.3f} s", Title(trial),
                          FormatCount(trial.costs->document_tokens), seconds)};
}

// Leaves kMostMarks of the points, evenly picked: what it says about that.
std::string Thin(std::vector<Point>* points) {
  const size_t all = points->size();
  if (all <= kMostMarks) return "";
  for (size_t i = 0; i < kMostMarks; ++i) {
    const size_t from = i * all / kMostMarks;
    if (from != i) (*points)[i] = std::move((*points)[from]);
  }
  points->resize(kMostMarks);
  return fmt::format(", {} of {}", FormatCount(kMostMarks),
                     Counted(int64_t(all), "answer"));
}

std::string TimeFigure(const Results& results, const std::string& language) {
  std::vector<double> tokens, seconds;  // of all, so that figures compare
  Scatter scatter{.title = "Time to first token against tokens, " + language,
                  .description = "Medians are in the first table.",
                  .x = {},
                  .y = {},
                  .radius = 2.6};
  for (const Trial& trial : results.trials) {
    if (!trial.costs) continue;
    Point point = TimePoint(trial);
    tokens.push_back(point.x);
    seconds.push_back(point.y);
    if (trial.language == language) scatter.points.push_back(std::move(point));
  }
  if (scatter.points.empty()) return "";
  scatter.x = AxisOver(tokens, false, "tokens of the document",
                       [](double n) { return FormatCount(int64_t(n)); });
  scatter.y = AxisOver(seconds, true, "time to first token", ShortSeconds);
  const std::string thinned = Thin(&scatter.points);
  return Figure(LanguageName(language) + thinned, Draw(scatter));
}

std::string TimeSection(const Results& results, const EvalSummary& summary) {
  std::string figures;
  for (const std::string& language : Languages(summary)) {
    figures += TimeFigure(results, language);
  }
  if (figures.empty()) return "";
  return Section(
      "time", "Time to first token",
      "A mark is one answer, on a log scale, from the question's arrival. "
      "Compressing and indexing happen once for a document and are not in it.",
      Legend(ModesOf(summary)) + "<div class=\"panels\">" + figures + "</div>");
}

template <typename Get>
std::string BarsOf(const EvalSummary& summary, std::string_view plot,
                   const std::string& title, Get get) {
  std::vector<Bar> bars;
  for (const Group* group : Overall(summary)) {
    const std::optional<double> bytes = get(*group);
    if (!bytes) continue;
    bars.push_back({.source = *group,
                    .label = Title(*group),
                    .value = *bytes,
                    .text = Bytes(*bytes),
                    .attributes = DataText("plot", plot) + DataSource(*group)});
  }
  if (bars.empty()) return "";
  return Figure(title, DrawBars(title, "Each bar has its number.", bars));
}

std::string MemorySection(const EvalSummary& summary) {
  const std::string kv =
      BarsOf(summary, "kv-bytes", "Keys and values, mean",
             [](const Group& group) -> std::optional<double> {
               if (!group.cost) return std::nullopt;
               return group.cost->kv_bytes.mean;
             });
  const std::string peak =
      BarsOf(summary, "peak-memory", "Peak of the process over idle, median",
             [](const Group& group) -> std::optional<double> {
               if (!group.peak_memory_bytes) return std::nullopt;
               return group.peak_memory_bytes->median;
             });
  if (kv.empty()) return "";
  return Section(
      "memory", "Memory",
      peak.empty() ? "The process's own peak was not measured: it is where one "
                     "document at a time is in flight and the server's kernel "
                     "tells."
                   : "What the server holds for an answer, beside the model's "
                     "weights.",
      "<div class=\"panels\">" + kv + peak + "</div>");
}

// What a reader must know before any figure.
std::string Notices(const Results& results, const EvalSummary& summary) {
  std::string html;
  const auto add = [&](const std::string& text) {
    html += "<p class=\"notice\">" + text + "</p>";
  };
  if (!results.complete()) {
    add(
        fmt::format("Not complete: {} of {} answers. What is missing is in no "
                    "figure.",
                    FormatCount(int64_t(results.trials.size())),
                    FormatCount(results.planned)));
  }
  const Json concurrency = results.settings.value("concurrency", Json());
  if (concurrency.is_number_integer() && concurrency > 1) {
    add(
        fmt::format("{} documents were in flight: times hold what they did to "
                    "each other.",
                    concurrency.get<int64_t>()));
  }
  const Json servers = results.settings.value("servers", Json());
  if (servers.is_number_integer() && servers > 1) {
    add(
        fmt::format("{} servers shared the documents out: if they share a "
                    "device, times hold what they did to each other.",
                    servers.get<int64_t>()));
  }
  int64_t not_alone = 0;
  for (const Group* group : Overall(summary)) not_alone += group->not_alone;
  if (not_alone > 0) {
    add(fmt::format("During {} something else used the server.",
                    Counted(not_alone, "answer")));
  }
  return html;
}

std::string TextAt(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) return "not known";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string Header(const Results& results) {
  int64_t samples = 0;
  std::string last;
  for (const Trial& trial : results.trials) {
    samples += trial.sample != last;
    last = trial.sample;
  }
  return fmt::format(
      "<header><p class=\"eyebrow\">gistd evaluation</p>"
      "<h1>Answers from gists, full context and passages</h1>"
      "<p class=\"sub\">{}, {} · {} on {} · {}</p></header>",
      Counted(samples, "question"),
      Counted(int64_t(results.trials.size()), "answer"),
      Quote(TextAt(results.server, "model"), 80),
      Quote(TextAt(results.server, "device"), 40),
      Escape(FormatTime(results.written_unix_ms)));
}

}  // namespace

std::string DrawPicture(const EvalSummary& summary) {
  return DrawFile(BytesPanels(summary), ModesOf(summary));
}

std::string DrawReport(const Results& results, const EvalSummary& summary) {
  std::string body = Header(results) + "<main>" + Notices(results, summary);
  if (results.trials.empty()) {
    body += Section("nothing", "Nothing was asked", "",
                    "<p>There is no answer to show.</p>");
  } else {
    body += HeadlineSection(summary) + BytesSection(summary) +
            FamilySection(summary) + HeatmapSection(summary) +
            TimeSection(results, summary) + MemorySection(summary) +
            HallucinationSection(summary) + UnderstandingSection(summary) +
            ThroughputSection(summary) + FailureSection(results.trials);
  }
  body += MadeSection(results) + "</main>";
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; style-src 'unsafe-inline'\">"
      "<meta name=\"color-scheme\" content=\"light dark\">"
      "<title>gistd evaluation</title><style>{}</style></head><body>{}</body>"
      "</html>\n",
      ReportStyle(), body);
}

}  // namespace gist::client
