// Cuts text into words; byte-pair encoding never merges across their borders.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

struct pcre2_real_code_8;  // PCRE2's name for a compiled pattern

namespace gist {

// Immutable, thread-safe. Equal to the `tokenizers` package 0.23 on every code
// point: letters and numbers are those of Unicode 16 (for single numeric
// characters, of Unicode 17).
class PreTokenizer {
 public:
  // "gpt2" (or "gpt-2"): contractions, letters, numbers and the rest, each with
  // one space in front where there is one, and white space. "smollm": the same
  // within the stretches between numeric characters, each of which is a word.
  // kUnimplemented names `name` and what is supported.
  static absl::StatusOr<PreTokenizer> Create(std::string_view name);

  // Where each word of `text` ends, in bytes. The words cover all of it.
  // `text`: valid UTF-8 (the caller has checked), less than 2^32 bytes.
  absl::StatusOr<std::vector<uint32_t>> WordEnds(std::string_view text) const;

 private:
  struct FreePattern {
    void operator()(pcre2_real_code_8* pattern) const;
  };
  using Pattern = std::unique_ptr<pcre2_real_code_8, FreePattern>;
  explicit PreTokenizer(Pattern pattern) : pattern_(std::move(pattern)) {}
  Pattern pattern_;
};

}  // namespace gist
