// Pieces of the report's HTML.
#pragma once

#include <string>
#include <string_view>

#include "client/eval/trial.h"
#include "core/scoring/metrics.h"
#include "fmt/format.h"

namespace gist::client {

// `text` as HTML's text or as a quoted attribute. What is no UTF-8, control
// characters but newline and tab, and those that turn the text around them
// become U+FFFD.
std::string Escape(std::string_view text);

// The same, of at most `characters` of it, for text of which nothing is known:
// its own direction cannot turn what stands around it.
std::string Quote(std::string_view text, size_t characters);

// ` name="value"` with a number in full: read back, it is the same.
template <typename Number>
std::string Data(std::string_view name, Number value) {
  return fmt::format(" data-{}=\"{}\"", name, value);
}
std::string DataText(std::string_view name, std::string_view text);
// data-mode, data-gists and data-answers: the answer adapter, on or off.
std::string DataSource(const Source& source);

// "1 answer", "1,024 answers".
std::string Counted(int64_t count, std::string_view noun);

std::string Percent(double share);                // "79.2 %", not to be broken
std::string PercentRange(const Interval& range);  // "60-91"

// "English", "Korean"; others as they are, escaped.
std::string LanguageName(std::string_view language);

// The colour of a mode on a light page: "#0072b2".
std::string_view ColorOf(Mode mode);
// " adapted" where the answer adapter was on.
std::string_view AnswerAdapterClass(const Source& source);
// Attributes of a mark or bar: filled with its mode's colour, hollow for the
// answer adapter. `stroke_width`: of the hollow one's edge.
std::string Look(const Source& source, double stroke_width);
// The mark of a mode: its colour, and a shape of its own.
std::string Marker(const Source& source, double x, double y, double radius,
                   std::string_view attributes, std::string_view tooltip);
// <th> of a row: the source's mark and title.
std::string SourceName(const Source& source);
std::string_view LongName(Mode mode);  // "full context"
// All modes' marks with their names.
std::string Legend(const std::vector<Mode>& modes);

}  // namespace gist::client
