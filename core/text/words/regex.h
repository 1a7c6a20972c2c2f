// A regular expression of a tokenizer file, run within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// PCRE2's names for a compiled pattern, its matches and its limits.
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_callout_block_8;

namespace gist {

struct TextRange {
  size_t begin = 0, end = 0;  // bytes
  bool operator==(const TextRange&) const = default;
};

// The steps that all patterns of a tokenizer may take on one text, in
// proportion to its bytes. The worst pattern of those that models are known to
// use takes a twentieth of it on the worst line of tests/data/tokenizer.
class RegexBudget {
 public:
  static constexpr uint64_t kBaseSteps = 1'000'000;
  static constexpr uint64_t kStepsPerByte = 200;

  explicit RegexBudget(size_t text_bytes)
      : text_bytes_(text_bytes),
        left_(kBaseSteps + kStepsPerByte * uint64_t(text_bytes)) {}

  // False: it is spent.
  bool Charge(uint64_t steps) {
    left_ = steps > left_ ? 0 : left_ - steps;
    return left_ > 0;
  }
  uint64_t spent() const {
    return kBaseSteps + kStepsPerByte * uint64_t(text_bytes_) - left_;
  }
  // kResourceExhausted: `pattern` spent the last of it.
  absl::Status Spent(std::string_view pattern) const;

 private:
  const size_t text_bytes_;
  uint64_t left_;
};

// Immutable, thread-safe.
class Regex {
 public:
  // Searches one text after the other, on one thread. Borrows both.
  class Search {
   public:
    Search(const Regex& regex, RegexBudget* budget);

    // All matches in `text`, in order, without overlap; an empty one does not
    // follow directly on another. `text`: valid UTF-8. kResourceExhausted:
    // the budget is spent, or a match took more memory than is allowed.
    absl::StatusOr<std::vector<TextRange>> FindAll(std::string_view text);

   private:
    struct Free {
      void operator()(pcre2_real_match_data_8* match) const;
      void operator()(pcre2_real_match_context_8* context) const;
    };
    int Find(std::string_view text, size_t at);
    // At each stop of ToPcre2: not 0 ends the search.
    static int Count(pcre2_callout_block_8* stop, void* search);

    const Regex& regex_;
    RegexBudget& budget_;
    size_t at_ = 0;  // of the last stop
    const std::unique_ptr<pcre2_real_match_data_8, Free> match_;
    const std::unique_ptr<pcre2_real_match_context_8, Free> limits_;
  };

  // `pattern`: as ToPcre2 takes it. Errors: ToPcre2's; kDataLoss (no UTF-8, or
  // PCRE2 refuses it); kUnimplemented (more than 64 KiB).
  static absl::StatusOr<Regex> Create(std::string_view pattern);

  // Search::FindAll of one text, with a budget of its own.
  absl::StatusOr<std::vector<TextRange>> FindAll(std::string_view text) const;

  const std::string& pattern() const { return pattern_; }

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;
  Regex(Code code, std::string_view pattern, uint64_t weight)
      : code_(std::move(code)), pattern_(pattern), weight_(weight) {}

  Code code_;
  std::string pattern_;
  uint64_t weight_;  // of a step
};

}  // namespace gist
