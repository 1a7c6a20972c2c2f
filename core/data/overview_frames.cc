#include "core/data/overview_frames.h"

#include <algorithm>

#include "core/data/tables.h"

namespace gist {
namespace {

constexpr std::string_view kOverviewHeader =
    "set\tkind\tsentence\tsentence\tquestion\tquestion";

std::optional<OverviewKind> OverviewKindOf(std::string_view name) {
  if (name == "topic") return OverviewKind::kTopic;
  if (name == "mention") return OverviewKind::kMention;
  if (name == "order") return OverviewKind::kOrder;
  return std::nullopt;
}

FrameSets<OverviewFrame> CompiledInOverviewFrames(std::string_view name) {
  return CompiledIn(ParseOverviewFrames(name, TableText(name)));
}

}  // namespace

absl::StatusOr<FrameSets<OverviewFrame>> ParseOverviewFrames(
    std::string_view name, std::string_view text) {
  GIST_ASSIGN_OR_RETURN(const std::vector<TableRow> rows,
                        ParseTable(name, text, kOverviewHeader));
  FrameSets<OverviewFrame> frames;
  for (const TableRow& row : rows) {
    const auto set = FrameSetOf(row[0]);
    const auto kind = OverviewKindOf(row[1]);
    const bool whole = std::none_of(row.begin(), row.end(),
                                    [](auto field) { return field.empty(); });
    if (!set || !kind || !whole) {
      return TableError(
          name, fmt::format("the row {:?}", fmt::join(row, " | ")),
          "train or held-out, topic, mention or order, two sentences and two "
          "questions");
    }
    frames.Add(*set, {.kind = *kind,
                      .sentences = {row[2], row[3]},
                      .questions = {row[4], row[5]}});
  }
  return frames;
}

std::span<const OverviewFrame> OverviewFrames(std::string_view language,
                                              FrameSet set) {
  static const auto kEnglish = CompiledInOverviewFrames("overview_en.tsv");
  static const auto kKorean = CompiledInOverviewFrames("overview_ko.tsv");
  return (language == "ko" ? kKorean : kEnglish).Of(set);
}

}  // namespace gist
