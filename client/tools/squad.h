// `gist data squad`: a file in SQuAD's format as samples of `gist eval`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/record.h"

namespace gist::client {

struct SquadRecords {
  std::vector<Record> records;  // in the file's order
  int64_t answerable = 0;
  int64_t unanswerable = 0;  // family "absent"
};

// JSON of SQuAD 1.1 or 2.0 (arXiv:1606.05250, arXiv:1806.03822), KorQuAD 1.0
// and others of their shape: data, paragraphs, context, qas, answers. Right
// answers of a question are a list, each once. A question that is impossible,
// or has no answer, is of the family "absent" and wants "Not mentioned."
// `language`: of all questions; empty: "ko" where a question holds Hangul, else
// "en". kInvalidArgument: what is missing, with its place ("data[3]..."), and
// that there is no question.
absl::StatusOr<SquadRecords> ParseSquad(std::string_view json,
                                        const std::string& language);

struct SquadArguments {
  std::string file;
  std::string language;
  std::string out;  // file; empty: `file` with .jsonl in place of .json, here
  bool overwrite = false;
};
// Writes the records as JSON Lines, and their numbers to standard error.
// Errors: ParseSquad's with the file's name; kNotFound, kAlreadyExists.
absl::Status RunSquad(const SquadArguments& arguments);

}  // namespace gist::client
