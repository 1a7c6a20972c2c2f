#include <algorithm>
#include <map>

#include "client/eval/html.h"
#include "client/eval/report_parts.h"
#include "client/terminal/units.h"

namespace gist::client {
namespace {

constexpr size_t kMostFailures = 40;
constexpr size_t kMostCharacters = 280;

std::string Words(std::string_view key) {
  std::string words(key);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

// One sample, with what each mode made of it.
using Asked = std::vector<const Trial*>;

// Summaries are never quite right: half is what counts as read.
bool Failed(const Trial& trial) {
  return trial.error || trial.scores.score < 0.5;
}

std::vector<Asked> FailuresOf(std::span<const Trial> trials) {
  std::map<std::string, size_t> places;
  std::vector<Asked> samples;
  for (const Trial& trial : trials) {
    const auto [place, fresh] =
        places.try_emplace(trial.sample, samples.size());
    if (fresh) samples.emplace_back();
    samples[place->second].push_back(&trial);
  }
  std::erase_if(samples, [](const Asked& asked) {
    return std::none_of(asked.begin(), asked.end(),
                        [](const Trial* trial) { return Failed(*trial); });
  });
  return samples;
}

std::string Verdict(const Trial& trial) {
  if (trial.error) return "<em class=\"bad\">error</em>";
  if (!Failed(trial)) return "<em class=\"good\">right</em>";
  if (trial.answer_kind == "right" || trial.answer_kind == "other") {
    return fmt::format("<em class=\"bad\">wrong{}</em>",
                       trial.scores.score > 0
                           ? fmt::format(", {:.2f}", trial.scores.score)
                           : "");
  }
  return fmt::format("<em class=\"bad\">{}</em>",
                     Escape(Words(trial.answer_kind)));
}

std::string FailureRow(const Trial& trial) {
  const std::string got =
      trial.error ? std::string(trial.error->message()) : trial.answer;
  return fmt::format(
      "<tr>{}<td>{}</td><td class=\"quote\">{}</td></tr>", SourceName(trial),
      Verdict(trial),
      got.empty() ? "<i>nothing</i>" : Quote(got, kMostCharacters));
}

std::string Wanted(const Trial& trial) {
  std::string html;
  for (const std::string& truth : trial.wanted) {
    html += (html.empty() ? "" : " <i>or</i> ") + Quote(truth, kMostCharacters);
  }
  return html;
}

std::string FailureItem(const Asked& asked) {
  const Trial& first = *asked.front();
  std::string rows;
  for (const Trial* trial : asked) rows += FailureRow(*trial);
  return fmt::format(
      "<article{}><p class=\"tags\">{} · {} · {} tokens{}</p>"
      "<p class=\"question\">{}</p><p>Wanted: <strong>{}</strong></p>"
      "<table class=\"answers\"><tbody>{}</tbody></table></article>",
      DataText("sample", first.sample), LanguageName(first.language),
      Quote(first.family, 60), FormatCount(first.tokens),
      first.depth ? fmt::format(" · depth {:.0f} %", 100 * *first.depth) : "",
      Quote(first.question, kMostCharacters), Wanted(first), rows);
}

// Lists of values in a line, lists of objects in a line each.
std::string Value(std::string_view key, const Json& json) {
  if (json.is_string()) return Quote(json.get<std::string>(), 2000);
  if (json.is_number_integer() && key.ends_with("bytes")) {
    return FormatBytes(json.get<int64_t>());
  }
  std::string html;
  if (json.is_array()) {
    for (const Json& item : json) {
      html += html.empty() ? "" : item.is_object() ? "<br>" : ", ";
      html += Value(key, item);
    }
    return html;
  }
  if (!json.is_object()) return Escape(json.dump());
  for (const auto& item : json.items()) {
    html +=
        fmt::format("{}{} {}", html.empty() ? "" : " · ",
                    Escape(Words(item.key())), Value(item.key(), item.value()));
  }
  return html;
}

std::string Facts(const Json& json) {
  std::string html;
  for (const auto& item : json.items()) {
    html +=
        fmt::format("<div><dt>{}</dt><dd>{}</dd></div>",
                    Escape(Words(item.key())), Value(item.key(), item.value()));
  }
  return "<dl>" + html + "</dl>";
}

}  // namespace

std::string FailureSection(std::span<const Trial> trials) {
  const std::vector<Asked> failures = FailuresOf(trials);
  if (failures.empty()) {
    return Section("failures", "Failures", "",
                   "<p>Every question was answered rightly in every mode.</p>");
  }
  const size_t shown = std::min(kMostFailures, failures.size());
  std::string body;
  for (size_t i = 0; i < shown; ++i) {
    body += FailureItem(failures[i * failures.size() / shown]);
  }
  const std::string count = Counted(int64_t(failures.size()), "question");
  return Section(
      "failures", "Failures",
      shown == failures.size()
          ? fmt::format("The {} that a mode got wrong.", count)
          : fmt::format("{} of the {} that a mode got wrong, evenly picked; "
                        "results.json has all.",
                        FormatCount(int64_t(shown)), count),
      body);
}

std::string MadeSection(const Results& results) {
  std::string command;
  for (const std::string& word : results.command) {
    command += (command.empty() ? "" : " ") + word;
  }
  const Json run = {{"started", FormatTime(results.started_unix_ms)},
                    {"written", FormatTime(results.written_unix_ms)},
                    {"gist version", results.version},
                    {"seed", results.seed}};
  return Section("made", "How it was made", "",
                 fmt::format("<pre>{}</pre><h3>Run</h3>{}<h3>Server</h3>{}"
                             "<h3>Machine that asked</h3>{}<h3>Settings</h3>{}",
                             Escape(command), Facts(run), Facts(results.server),
                             Facts(results.machine), Facts(results.settings)));
}

}  // namespace gist::client
