#include "core/scoring/code_similarity.h"

#include <cmath>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gist {
namespace {

// Code points of UTF-8; a byte that is part of none stands for itself.
std::u32string CodePoints(std::string_view text) {
  std::u32string points;
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const size_t bytes = first < 0xc0   ? 1
                         : first < 0xe0 ? 2
                         : first < 0xf0 ? 3
                                        : 4;
    char32_t point = bytes == 1 ? first : first & (0x7f >> bytes);
    for (size_t i = 1; i < bytes && at + i < text.size(); ++i) {
      point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
    }
    points += point;
    at += bytes;
  }
  return points;
}

struct Range {
  size_t begin = 0, end = 0;
};

struct Block {
  size_t a = 0, b = 0, size = 0;
};

// difflib's, without junk of the caller's.
class Matcher {
 public:
  Matcher(std::u32string a, std::u32string b)
      : a_(std::move(a)), b_(std::move(b)) {
    for (size_t j = 0; j < b_.size(); ++j) places_[b_[j]].push_back(j);
    if (b_.size() < 200) return;
    std::erase_if(places_, [this](const auto& place) {
      return place.second.size() > b_.size() / 100 + 1;
    });
  }

  // Code points in all matching blocks.
  size_t Matching() const {
    size_t matching = 0;
    std::vector<std::pair<Range, Range>> open = {
        {{0, a_.size()}, {0, b_.size()}}};
    while (!open.empty()) {
      const auto [a, b] = open.back();
      open.pop_back();
      const Block block = Longest(a, b);
      if (block.size == 0) continue;
      matching += block.size;
      open.push_back({{a.begin, block.a}, {b.begin, block.b}});
      open.push_back(
          {{block.a + block.size, a.end}, {block.b + block.size, b.end}});
    }
    return matching;
  }

 private:
  // The first of the longest, then made longer by what starts no block.
  Block Longest(Range a, Range b) const {
    Block best = {a.begin, b.begin, 0};
    std::unordered_map<size_t, size_t> lengths;  // of blocks that end at j
    for (size_t i = a.begin; i < a.end; ++i) {
      std::unordered_map<size_t, size_t> next;
      const auto found = places_.find(a_[i]);
      for (const size_t j : found == places_.end() ? kNowhere : found->second) {
        if (j < b.begin) continue;
        if (j >= b.end) break;
        const auto before = j == 0 ? lengths.end() : lengths.find(j - 1);
        const size_t size = 1 + (before == lengths.end() ? 0 : before->second);
        next[j] = size;
        if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
      }
      lengths = std::move(next);
    }
    return Grown(best, a, b);
  }

  Block Grown(Block block, Range a, Range b) const {
    while (block.a > a.begin && block.b > b.begin &&
           a_[block.a - 1] == b_[block.b - 1]) {
      block = {block.a - 1, block.b - 1, block.size + 1};
    }
    while (block.a + block.size < a.end && block.b + block.size < b.end &&
           a_[block.a + block.size] == b_[block.b + block.size]) {
      ++block.size;
    }
    return block;
  }

  static inline const std::vector<size_t> kNowhere = {};
  const std::u32string a_, b_;
  std::unordered_map<char32_t, std::vector<size_t>> places_;  // in b_
};

std::string_view FirstCodeLine(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_of("`#") == line.npos && line.find("//") == line.npos) {
      return line;
    }
    if (end == text.size()) return "";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

double SequenceRatio(std::string_view a, std::string_view b) {
  std::u32string left = CodePoints(a), right = CodePoints(b);
  const size_t length = left.size() + right.size();
  if (length == 0) return 1;
  const Matcher matcher(std::move(left), std::move(right));
  return 2.0 * double(matcher.Matching()) / double(length);
}

double CodeSimilarityScore(std::string_view prediction,
                           std::string_view truth) {
  // Halves go to the even hundredth, as in Python.
  return std::nearbyint(100 * SequenceRatio(FirstCodeLine(prediction), truth)) /
         100;
}

}  // namespace gist
