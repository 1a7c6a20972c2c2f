// Files of JSON Lines: one object a line, in UTF-8.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/status.h"

namespace gist {

// The text of a whole file; one in the Zstandard format is expanded. Messages
// begin with the path. kNotFound: it cannot be read; kDataLoss: its compressed
// text is damaged.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

// What `parse` makes of each line that is not blank, as a StatusOr of a vector.
// Errors begin with `name` and the line's number. kInvalidArgument: no line;
// the message ends with `wanted`.
template <typename Parse>
auto ParseLines(std::string_view text, std::string_view name,
                std::string_view wanted, Parse parse)
    -> absl::StatusOr<
        std::vector<typename decltype(parse(std::string_view()))::value_type>> {
  std::vector<typename decltype(parse(std::string_view()))::value_type> values;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto value = parse(line);
    if (!value.ok()) {
      return Within(fmt::format("{}:{}", name, number), value.status());
    }
    values.push_back(*std::move(value));
  }
  if (!values.empty()) return values;
  return absl::InvalidArgumentError(
      fmt::format("{}: holds no record{}", name, wanted));
}

}  // namespace gist
