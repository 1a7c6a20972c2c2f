#include "core/data/frames.h"

#include "core/data/tables.h"

namespace gist {
namespace {

constexpr std::string_view kFrameHeader =
    "set\tkind\tattribute\tneedle\tquestion\tquestion";

std::optional<ValueKind> ValueKindOf(std::string_view name) {
  for (const ValueKind kind :
       {ValueKind::kCode, ValueKind::kNumber, ValueKind::kName,
        ValueKind::kUuid, ValueKind::kDate}) {
    if (Name(kind) == name) return kind;
  }
  return std::nullopt;
}

FrameSets<Frame> CompiledInFrames(std::string_view name) {
  return CompiledIn(ParseFrames(name, TableText(name)));
}

}  // namespace

std::optional<FrameSet> FrameSetOf(std::string_view name) {
  if (name == "train") return FrameSet::kTrain;
  if (name == "held-out") return FrameSet::kHeldOut;
  return std::nullopt;
}

absl::StatusOr<FrameSets<Frame>> ParseFrames(std::string_view name,
                                             std::string_view text) {
  GIST_ASSIGN_OR_RETURN(const std::vector<TableRow> rows,
                        ParseTable(name, text, kFrameHeader));
  FrameSets<Frame> frames;
  for (const TableRow& row : rows) {
    const auto set = FrameSetOf(row[0]);
    const auto kind = ValueKindOf(row[1]);
    if (!set || !kind || row[3].empty() || row[4].empty()) {
      return TableError(
          name, fmt::format("the row {:?}", fmt::join(row, " | ")),
          "train or held-out, a kind of value, a needle and a question");
    }
    frames.Add(*set, {.needle = row[3],
                      .questions = {row[4], row[5]},
                      .kind = *kind,
                      .attribute = row[2]});
  }
  return frames;
}

std::span<const Frame> PasskeyFrames(std::string_view language, FrameSet set) {
  static const auto kEnglish = CompiledInFrames("passkey_en.tsv");
  static const auto kKorean = CompiledInFrames("passkey_ko.tsv");
  return (language == "ko" ? kKorean : kEnglish).Of(set);
}

std::span<const Frame> KeyedFrames(std::string_view language, FrameSet set) {
  static const auto kEnglish = CompiledInFrames("keyed_en.tsv");
  static const auto kKorean = CompiledInFrames("keyed_ko.tsv");
  return (language == "ko" ? kKorean : kEnglish).Of(set);
}

}  // namespace gist
