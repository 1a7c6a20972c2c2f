#include "client/eval/html.h"

#include "client/eval/scoring.h"
#include "client/terminal/units.h"

namespace gist::client {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Of U+0080 to U+009F, in UTF-8.
bool IsHighControl(std::string_view text, size_t at) {
  return text[at] == '\xc2' && at + 1 < text.size() &&
         static_cast<unsigned char>(text[at + 1]) < 0xa0;
}

// Of U+202A to U+202E and U+2066 to U+2069: they turn the text around them.
bool IsBidiControl(std::string_view rest) {
  return rest.size() >= 3 && rest[0] == '\xe2' &&
         ((rest[1] == '\x80' && rest[2] >= '\xaa' && rest[2] <= '\xae') ||
          (rest[1] == '\x81' && rest[2] >= '\xa6' && rest[2] <= '\xa9'));
}

// A drawing of radius 1 around the origin.
std::string_view Shape(Mode mode) {
  switch (mode) {
    case Mode::kGist:
      return "<circle r=\"1\"/>";
    case Mode::kFull:
      return "<rect x=\"-.9\" y=\"-.9\" width=\"1.8\" height=\"1.8\"/>";
    case Mode::kRag:
      return "<path d=\"M0-1.15 1.1.85-1.1.85z\"/>";
    case Mode::kHybrid:
      return "<path d=\"M0-1.25 1.25 0 0 1.25-1.25 0z\"/>";
  }
  return "";
}

}  // namespace

std::string Escape(std::string_view raw) {
  const std::string text = ValidUtf8(raw);
  std::string html;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      html += "&amp;";
    } else if (c == '<') {
      html += "&lt;";
    } else if (c == '>') {
      html += "&gt;";
    } else if (c == '"') {
      html += "&quot;";
    } else if (c == '\'') {
      html += "&#39;";
    } else if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) {
      html += kReplacement;
    } else if (IsHighControl(text, at)) {
      html += kReplacement;
      ++at;
    } else if (IsBidiControl(std::string_view(text).substr(at))) {
      html += kReplacement;
      at += 2;
    } else {
      html += c;
    }
  }
  return html;
}

std::string Quote(std::string_view text, size_t characters) {
  size_t at = 0, count = 0;
  while (at < text.size() && count < characters) {
    ++at;
    while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
    ++count;
  }
  return fmt::format("<bdi>{}{}</bdi>", Escape(text.substr(0, at)),
                     at < text.size() ? "…" : "");
}

std::string DataText(std::string_view name, std::string_view text) {
  return fmt::format(" data-{}=\"{}\"", name, Escape(text));
}

std::string DataSource(const Source& source) {
  return DataText("mode", ModeName(source.mode)) + Data("gists", source.gists) +
         DataText("answers", AnswerAdapterName(source.answer_adapter));
}

std::string Counted(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", FormatCount(count), noun,
                     count == 1 ? "" : "s");
}

std::string Percent(double share) {
  return fmt::format("{:.1f}\u00a0%", 100 * share);
}

std::string PercentRange(const Interval& range) {
  return fmt::format("{:.0f}–{:.0f}", 100 * range.low, 100 * range.high);
}

std::string LanguageName(std::string_view language) {
  if (language == "en") return "English";
  if (language == "ko") return "Korean";
  if (language == "zh") return "Chinese";
  return Escape(language);
}

// Okabe and Ito 2008 (jfly.uni-koeln.de/color): people who are colour-blind can
// tell them apart.
std::string_view ColorOf(Mode mode) {
  switch (mode) {
    case Mode::kGist:
      return "#0072b2";
    case Mode::kFull:
      return "#d55e00";
    case Mode::kRag:
      return "#00835f";
    case Mode::kHybrid:
      return "#b0588f";
  }
  return "#000";
}

std::string Look(const Source& source, double stroke_width) {
  const std::string_view color = ColorOf(source.mode);
  if (AnswerAdapterClass(source).empty())
    return fmt::format("fill=\"{}\"", color);
  return fmt::format(
      "fill=\"{0}\" fill-opacity=\".15\" stroke=\"{0}\" stroke-width=\"{1}\"",
      color, stroke_width);
}

std::string_view AnswerAdapterClass(const Source& source) {
  return source.answer_adapter == AnswerAdapter::kOn ? " adapted" : "";
}

std::string Marker(const Source& source, double x, double y, double radius,
                   std::string_view attributes, std::string_view tooltip) {
  return fmt::format(
      "<g class=\"mark m-{}{}\" {} transform=\"translate({:.2f} {:.2f}) "
      "scale({})\"{}><title>{}</title>{}</g>",
      ModeName(source.mode), AnswerAdapterClass(source), Look(source, 0.4), x,
      y, radius, attributes, Escape(tooltip), Shape(source.mode));
}

std::string SourceName(const Source& source) {
  return fmt::format(
      "<th scope=\"row\"><svg class=\"dot\" viewBox=\"-1.5 -1.5 3 3\" "
      "aria-hidden=\"true\">{}</svg>{}</th>",
      Marker(source, 0, 0, 1, "", ""), Title(source));
}

std::string_view LongName(Mode mode) {
  switch (mode) {
    case Mode::kGist:
      return "gists";
    case Mode::kFull:
      return "full context";
    case Mode::kRag:
      return "RAG";
    case Mode::kHybrid:
      return "gists and RAG";
  }
  return "";
}

std::string Legend(const std::vector<Mode>& modes) {
  std::string html = "<ul class=\"legend\">";
  for (const Mode mode : modes) {
    html += fmt::format(
        "<li><svg viewBox=\"-1.5 -1.5 3 3\" class=\"m-{}\" {} "
        "aria-hidden=\"true\">{}</svg>{}</li>",
        ModeName(mode), Look({.mode = mode}, 0.4), Shape(mode), LongName(mode));
  }
  return html + "</ul>";
}

}  // namespace gist::client
