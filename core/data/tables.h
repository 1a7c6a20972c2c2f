// Tables of sentences and words: text files in core/data/tables, compiled in.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/status.h"

namespace gist {

// The text of core/data/tables/NAME, for the program's whole life. Empty: no
// such table.
std::string_view TableText(std::string_view name);

using TableRow = std::vector<std::string_view>;

// The rows of tab-separated text, which they borrow. Lines that begin with "#"
// and blank lines are skipped. The first line left must equal `header`; each
// other line has as many fields. A field of "-" is empty. kInvalidArgument
// begins with `name` and the line's number.
absl::StatusOr<std::vector<TableRow>> ParseTable(std::string_view name,
                                                 std::string_view text,
                                                 std::string_view header);

// The lists of a text, one word a line, each below "[title]"; `titles` says
// which, in order. Comments and errors are ParseTable's. No list is empty.
absl::StatusOr<std::vector<TableRow>> ParseLists(
    std::string_view name, std::string_view text,
    const std::vector<std::string_view>& titles);

// The error of a row or list in the table `name`, for parsers above these.
absl::Status TableError(std::string_view name, std::string_view found,
                        std::string_view wanted);

// The value of a compiled-in table. A mistake in one ends the program with its
// error: it was built with it.
template <typename T>
T CompiledIn(absl::StatusOr<T> parsed) {
  if (parsed.ok()) return *std::move(parsed);
  std::fprintf(stderr, "%s\n", parsed.status().ToString().c_str());
  std::abort();
}

}  // namespace gist
