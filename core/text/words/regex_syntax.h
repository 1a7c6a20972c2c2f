// Translates regular expressions of tokenizer files to PCRE2.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// `pattern`: as a tokenizer.json has it, in Oniguruma's Ruby syntax, valid
// UTF-8. The result means the same to PCRE2 with UTF, UCP and MULTILINE, on the
// code points of Unicode 16. \p{Numeric} and \p{Punctuation} are the classes of
// the `tokenizers` package's Digits and Punctuation.
// kUnimplemented names the construct and where it is: negated classes inside of
// classes, &&, [:alpha:], named groups, absent operators, \h, \R, \X, \K, \G.
// kDataLoss: a class or an escape that does not end.
absl::StatusOr<std::string> ToPcre2(std::string_view pattern);

// `text` as a pattern that matches it and nothing else.
std::string LiteralPattern(std::string_view text);

}  // namespace gist
