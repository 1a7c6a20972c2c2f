#include "core/text/words/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"
#include "core/text/words/byte_alphabet.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr size_t kMaxSplitSteps = 32;

// A part of a text, and whether the step's pattern matched it.
struct SplitPart {
  TextRange range;
  bool matched;
};

std::vector<SplitPart> PartsOf(size_t size, std::span<const TextRange> matches,
                               bool invert) {
  std::vector<SplitPart> parts;
  size_t end = 0;
  for (const TextRange& match : matches) {
    if (match.begin > end) parts.push_back({{end, match.begin}, invert});
    if (match.end > match.begin) parts.push_back({match, !invert});
    end = match.end;
  }
  if (end < size) parts.push_back({{end, size}, invert});
  return parts;
}

// Does `next` belong to the word that `previous` ends?
bool IsJoined(SplitBehavior behavior, const SplitPart& previous,
              const SplitPart& next) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return previous.matched == next.matched;
    case SplitBehavior::kMergedWithPrevious:
      return next.matched && !previous.matched;
    case SplitBehavior::kMergedWithNext:
      return previous.matched && !next.matched;
    default:
      return false;
  }
}

// Appends the words, `offset` further back in the whole text.
void AppendWords(std::span<const SplitPart> parts, SplitBehavior behavior,
                 size_t offset, std::vector<TextRange>* words) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const TextRange range = parts[i].range;
    if (behavior == SplitBehavior::kRemoved && parts[i].matched) continue;
    if (i > 0 && IsJoined(behavior, parts[i - 1], parts[i])) {
      words->back().end = offset + range.end;
    } else {
      words->push_back({offset + range.begin, offset + range.end});
    }
  }
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(
    std::span<const SplitStep> steps) {
  if (steps.size() > kMaxSplitSteps) {
    return absl::UnimplementedError(
        fmt::format("pre-tokenizer: {} steps, want at most {}", steps.size(),
                    kMaxSplitSteps));
  }
  std::vector<Step> made;
  bool on_bytes = false;
  for (const SplitStep& step : steps) {
    if (on_bytes && !step.on_bytes) {
      return absl::UnimplementedError(
          "pre-tokenizer: a step on characters behind one on bytes");
    }
    on_bytes = step.on_bytes;
    GIST_ASSIGN_OR_RETURN(Regex regex, Regex::Create(step.pattern));
    made.push_back(
        {std::move(regex), step.behavior, step.invert, step.on_bytes});
  }
  return PreTokenizer(std::move(made));
}

absl::StatusOr<std::vector<TextRange>> PreTokenizer::Step::Matches(
    std::string_view word, Regex::Search* search) const {
  if (!on_bytes) return search->FindAll(word);
  const std::string written = ToByteAlphabet(word);
  GIST_ASSIGN_OR_RETURN(auto matches, search->FindAll(written));
  // Each character of the alphabet is one byte of the word.
  const auto characters = [&](size_t begin, size_t end) {
    return std::count_if(written.begin() + begin, written.begin() + end,
                         [](char c) { return (c & 0xC0) != 0x80; });
  };
  size_t seen = 0, bytes = 0;
  for (TextRange& match : matches) {
    bytes += characters(seen, match.begin);
    const size_t begin = bytes;
    bytes += characters(match.begin, match.end);
    seen = match.end;
    match = {begin, bytes};
  }
  return matches;
}

absl::StatusOr<std::vector<TextRange>> PreTokenizer::Words(
    std::string_view text) const {
  RegexBudget budget(text.size());
  return Words(text, &budget);
}

absl::StatusOr<std::vector<TextRange>> PreTokenizer::Words(
    std::string_view text, RegexBudget* budget) const {
  std::vector<TextRange> words;
  if (!text.empty()) words.push_back({0, text.size()});
  for (const Step& step : steps_) {
    Regex::Search search(step.regex, budget);
    std::vector<TextRange> finer;
    for (const TextRange& word : words) {
      const size_t size = word.end - word.begin;
      GIST_ASSIGN_OR_RETURN(
          const auto matches,
          step.Matches(text.substr(word.begin, size), &search));
      AppendWords(PartsOf(size, matches, step.invert), step.behavior,
                  word.begin, &finer);
    }
    words = std::move(finer);
  }
  return words;
}

}  // namespace gist
