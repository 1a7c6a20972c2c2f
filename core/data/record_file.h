// Samples as JSON Lines: one object a line, in UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/record.h"

namespace gist {

// The line of `record`, with its newline: the keys of Record, the mission's six
// first, in this order: context, question, answer, needle, needle_position,
// context_length_chars, language, frame, tokens, depth, filler, seed, family;
// answers and options where there are any.
std::string ToJsonLine(const Record& record);

// One line. Wanted are context, question and answer or answers, not empty; the
// other keys of Record may be missing, further ones are ignored. An `answer`
// beside `answers` is one of them. kInvalidArgument says what is wrong with
// which key.
absl::StatusOr<Record> ParseRecord(std::string_view line);

// A whole file's text; blank lines are skipped. Errors begin with `name` and
// the line's number; a file without any record is one.
absl::StatusOr<std::vector<Record>> ParseRecords(std::string_view text,
                                                 std::string_view name);
// kNotFound: the file cannot be read.
absl::StatusOr<std::vector<Record>> ReadRecords(const std::string& path);

}  // namespace gist
