#include "core/text/score_merges.h"

#include <algorithm>
#include <tuple>

#include "core/text/words/code_points.h"

namespace gist {
namespace {

constexpr size_t kMaxMergedBytes = 512;

// A merge with what it is ordered by.
struct RankedMerge {
  ScoredMerge merge;
  double score;
  size_t left_chars, right_chars;
};

size_t CountChars(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

std::vector<ScoredMerge> MergesByScore(
    const absl::flat_hash_map<std::string, int32_t>& ids,
    const std::vector<double>& scores) {
  const auto find = [&](std::string_view piece) {
    const auto known = ids.find(absl::string_view(piece.data(), piece.size()));
    return known == ids.end() ? -1 : known->second;
  };
  std::vector<RankedMerge> ranked;
  for (const auto& [piece, id] : ids) {
    const std::string_view whole = piece;
    if (whole.size() > kMaxMergedBytes) continue;
    for (size_t at = CharEnd(whole, 0); at < whole.size();
         at = CharEnd(whole, at)) {
      const std::string_view left = whole.substr(0, at);
      const std::string_view right = whole.substr(at);
      const ScoredMerge merge = {find(left), find(right), id};
      if (merge.left < 0 || merge.right < 0) continue;
      ranked.push_back(
          {merge, scores[id], CountChars(left), CountChars(right)});
    }
  }
  std::ranges::sort(ranked, [](const RankedMerge& a, const RankedMerge& b) {
    return std::tuple(b.score, b.left_chars, b.right_chars, a.merge.merged,
                      a.merge.left, a.merge.right) <
           std::tuple(a.score, a.left_chars, a.right_chars, b.merge.merged,
                      b.merge.left, b.merge.right);
  });
  std::vector<ScoredMerge> merges;
  for (const RankedMerge& merge : ranked) merges.push_back(merge.merge);
  return merges;
}

}  // namespace gist
