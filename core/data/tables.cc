#include "core/data/tables.h"

#include <algorithm>

namespace gist {
namespace {

absl::Status LineError(std::string_view name, int number,
                       std::string_view found, std::string_view wanted) {
  return TableError(fmt::format("{}:{}", name, number), found, wanted);
}

// The first line of `text` without its newline, which is taken off.
std::string_view NextLine(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(line.size() + 1, text->size()));
  return line;
}

bool IsAside(std::string_view line) {
  return line.empty() || line.front() == '#';
}

TableRow SplitFields(std::string_view line) {
  TableRow fields;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find('\t', begin), line.size());
    const std::string_view field = line.substr(begin, end - begin);
    fields.push_back(field == "-" ? std::string_view() : field);
    begin = end + 1;
  }
  return fields;
}

}  // namespace

absl::Status TableError(std::string_view name, std::string_view found,
                        std::string_view wanted) {
  return absl::InvalidArgumentError(
      fmt::format("core/data/tables/{}: found {}, want {}; correct the table",
                  name, found, wanted));
}

absl::StatusOr<std::vector<TableRow>> ParseTable(std::string_view name,
                                                 std::string_view text,
                                                 std::string_view header) {
  const size_t columns = SplitFields(header).size();
  std::vector<TableRow> rows;
  bool begun = false;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = NextLine(&text);
    if (IsAside(line)) continue;
    if (!begun && line != header) {
      return LineError(name, number, fmt::format("{:?}", line),
                       fmt::format("the header {:?}", header));
    }
    if (std::exchange(begun, true) == false) continue;
    rows.push_back(SplitFields(line));
    if (rows.back().size() == columns) continue;
    return LineError(name, number, fmt::format("{} fields", rows.back().size()),
                     fmt::format("{}", columns));
  }
  if (rows.empty()) return TableError(name, "no row", "one at least");
  return rows;
}

absl::StatusOr<std::vector<TableRow>> ParseLists(
    std::string_view name, std::string_view text,
    const std::vector<std::string_view>& titles) {
  std::vector<TableRow> lists;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = NextLine(&text);
    if (IsAside(line)) continue;
    if (!line.starts_with('[')) {
      if (lists.empty()) {
        return LineError(name, number, fmt::format("{:?}", line), "a [title]");
      }
      lists.back().push_back(line);
      continue;
    }
    const std::string wanted = lists.size() < titles.size()
                                   ? fmt::format("[{}]", titles[lists.size()])
                                   : std::string("no further list");
    if (line != wanted) {
      return LineError(name, number, fmt::format("{:?}", line), wanted);
    }
    lists.emplace_back();
  }
  if (lists.size() != titles.size()) {
    return TableError(name, fmt::format("{} lists", lists.size()),
                      fmt::format("{}", titles.size()));
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    if (!lists[i].empty()) continue;
    return TableError(name, fmt::format("[{}] empty", titles[i]),
                      "a word at least");
  }
  return lists;
}

}  // namespace gist
