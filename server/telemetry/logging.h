// The log: one line an event on stderr, as logfmt or JSON. stdout stays free.
#pragma once

#include <string>
#include <string_view>

namespace gist {

// Lines are words, then key=value pairs; values are bare, or in quotes and
// escaped as fmt's {:?} does.
enum class LogFormat {
  kText,  // ts=... level=... and the line
  kJson,  // one object a line: ts, level, msg (the words), then the pairs
};

// Sends spdlog's default logger to stderr in `format`. May be called again.
void StartLogging(LogFormat format);

// A line as one JSON object, without the line's end: numbers and truth values
// stay such, all else is a string; bytes that are not UTF-8 become U+FFFD. What
// does not read as pairs is in "msg" whole. A key that is there already gets
// "_" behind it.
std::string LogfmtToJson(std::string_view time, std::string_view level,
                         std::string_view line);

}  // namespace gist
