// Token ids of a text that may be much too long.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

struct LimitedTokens {
  std::vector<int32_t> ids;
  // Bytes of the text that `ids` stand for: all, or those of a beginning that
  // has more than the limit.
  size_t bytes = 0;
};

// A text has no more on average, unless it is white space or one sign again and
// again: a document of more bytes is refused without a look at its tokens.
inline constexpr int64_t kMostBytesPerToken = 64;

using TokenizeFunction =
    std::function<absl::StatusOr<std::vector<int32_t>>(std::string_view)>;

// `text`: UTF-8. A text of at most `limit` tokens is tokenized whole. Of one
// that has far more, a beginning is: some 18 bytes for each token of the limit,
// else four times as many, and so on. Texts have 1 to 6 bytes a token: most are
// tokenized once, and a long one is refused in the time of a beginning. Errors:
// those of `tokenize`.
absl::StatusOr<LimitedTokens> TokenizeUpTo(int64_t limit, std::string_view text,
                                           const TokenizeFunction& tokenize);

// " in the first 4194304 bytes" of text that was not tokenized whole, else "".
std::string InFirstBytes(const LimitedTokens& tokens, std::string_view text);

}  // namespace gist
