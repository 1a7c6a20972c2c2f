// Normalizes a text before it is cut into words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/words/regex.h"

namespace gist {

// SentencePiece's stand-in for a space (U+2581).
inline constexpr std::string_view kSpaceMark = "\u2581";

struct NormalizerStep {
  enum class Kind : uint8_t {
    kNfc,  // Unicode normalization forms, of utf8proc's Unicode version
    kNfd,
    kNfkc,
    kNfkd,
    kReplace,  // each match of `pattern` becomes `content`
    kPrepend,  // `content` goes in front of a text that is not empty
    // The same, but not where the text begins with it.
    kPrependUnlessThere,
  };
  Kind kind = Kind::kNfc;
  std::string pattern = {};  // Regex::Create's
  std::string content = {};
  bool at_start_alone = false;  // kPrepend*: only the first part of a text
};

// SentencePiece's: spaces become U+2581, with one in front of each part of a
// text if `add_space_prefix`. `remove_extra_spaces`: runs of U+0020 count once,
// those at either end not at all.
std::vector<NormalizerStep> SentencePieceSteps(bool add_space_prefix,
                                               bool remove_extra_spaces);

// Immutable, thread-safe.
class Normalizer {
 public:
  // Errors: Regex::Create's.
  static absl::StatusOr<Normalizer> Create(std::vector<NormalizerStep> steps);

  // `text`: valid UTF-8, a part of a text between special tokens. `is_first`:
  // the text begins with it. `continues`: it goes on from other text, so that
  // nothing is prepended. A byte that is put in counts as a step of the budget;
  // without one the text has its own. Errors: Regex::FindAll's; kInternal
  // (utf8proc).
  absl::StatusOr<std::string> Apply(std::string_view text, bool is_first,
                                    bool continues, RegexBudget* budget) const;
  absl::StatusOr<std::string> Apply(std::string_view text, bool is_first,
                                    bool continues) const;
  bool empty() const { return steps_.empty(); }
  // Is `content` put in front of every part?
  bool prepends() const;

 private:
  explicit Normalizer(std::vector<NormalizerStep> steps)
      : steps_(std::move(steps)) {}

  std::vector<NormalizerStep> steps_;
  std::vector<Regex> patterns_;  // of the kReplace steps, in order
};

}  // namespace gist
