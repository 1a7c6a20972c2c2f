// Cuts text into words; byte-pair encoding never merges across their borders.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/words/regex.h"

namespace gist {

// What a step does with the matches of its pattern.
enum class SplitBehavior : uint8_t {
  kIsolated,            // each is a word
  kRemoved,             // none is in any word
  kContiguous,          // neighbouring ones are one word
  kMergedWithPrevious,  // each ends the word before it
  kMergedWithNext,      // each begins the word after it
};

// Cuts each word of the step before.
struct SplitStep {
  std::string pattern;  // Regex::Create's
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what is between the matches counts as a match
  // The pattern sees the word's bytes as characters of GPT-2's alphabet, as
  // steps behind ByteLevel do.
  bool on_bytes = false;
};

// Immutable, thread-safe. Equal to the `tokenizers` package 0.23 on every code
// point: letters and numbers are those of Unicode 16 (for single numeric
// characters, of Unicode 17).
class PreTokenizer {
 public:
  // `steps`: at most 32; none: a text is one word. Errors: Regex::Create's.
  static absl::StatusOr<PreTokenizer> Create(std::span<const SplitStep> steps);

  // The words of `text`, in order, none of them empty; they may end within a
  // character. `text`: valid UTF-8 (the caller has checked). Without a budget
  // the text has one of its own. Errors: Regex::FindAll's.
  absl::StatusOr<std::vector<TextRange>> Words(std::string_view text,
                                               RegexBudget* budget) const;
  absl::StatusOr<std::vector<TextRange>> Words(std::string_view text) const;

 private:
  struct Step {
    Regex regex;
    SplitBehavior behavior;
    bool invert, on_bytes;
    absl::StatusOr<std::vector<TextRange>> Matches(std::string_view word,
                                                   Regex::Search* search) const;
  };
  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  std::vector<Step> steps_;
};

}  // namespace gist
