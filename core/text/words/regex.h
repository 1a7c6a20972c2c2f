// A regular expression of a tokenizer file, run within limits.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// PCRE2's names for a compiled pattern, its matches and its limits.
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace gist {

struct TextRange {
  size_t begin = 0, end = 0;  // bytes
  bool operator==(const TextRange&) const = default;
};

// Immutable, thread-safe.
class Regex {
 public:
  // Searches one text after the other, on one thread. Borrows the regex.
  class Search {
   public:
    explicit Search(const Regex& regex);

    // All matches in `text`, in order, without overlap; an empty one does not
    // follow directly on another. `text`: valid UTF-8. kResourceExhausted: a
    // match took more steps or memory than is allowed.
    absl::StatusOr<std::vector<TextRange>> FindAll(std::string_view text);

   private:
    struct Free {
      void operator()(pcre2_real_match_data_8* match) const;
      void operator()(pcre2_real_match_context_8* context) const;
    };
    int Find(std::string_view text, size_t at);

    const Regex& regex_;
    const std::unique_ptr<pcre2_real_match_data_8, Free> match_;
    const std::unique_ptr<pcre2_real_match_context_8, Free> limits_;
  };

  // `pattern`: as ToPcre2 takes it. Errors: ToPcre2's; kDataLoss (no UTF-8, or
  // PCRE2 refuses it); kUnimplemented (more than 64 KiB).
  static absl::StatusOr<Regex> Create(std::string_view pattern);

  // Search::FindAll of one text.
  absl::StatusOr<std::vector<TextRange>> FindAll(std::string_view text) const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;
  Regex(Code code, std::string_view pattern)
      : code_(std::move(code)), pattern_(pattern) {}

  Code code_;
  std::string pattern_;
};

}  // namespace gist
