// Translates regular expressions of tokenizer files to PCRE2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

struct Pcre2Pattern {
  std::string text;
  size_t repeats = 0;  // the sum of what its {n,m} want at least
};

// `pattern`: as a tokenizer.json has it, in Oniguruma's Ruby syntax, valid
// UTF-8. The result means the same to PCRE2 with UTF, UCP and MULTILINE, on the
// code points of Unicode 16. Callouts stand at its begin, in front of what a
// group holds, behind each group and each quantifier: whatever is tried again
// passes one. \p{Numeric} and \p{Punctuation} are the classes of the
// `tokenizers` package's Digits and Punctuation. kUnimplemented names the
// construct and where it is: negated classes inside of classes, &&, [:alpha:],
// named groups, absent operators, \h, \R, \X, \K, \G, \1 (a back-reference's
// work is not counted). kDataLoss: a class or an escape that does not end.
absl::StatusOr<Pcre2Pattern> ToPcre2(std::string_view pattern);

// `text` as a pattern that matches it and nothing else.
std::string LiteralPattern(std::string_view text);

}  // namespace gist
