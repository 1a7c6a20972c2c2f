#include "server/serving/token_limit.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"

namespace gist {
namespace {

// More than texts have: a text within the limit is tokenized once.
constexpr int64_t kBytesPerToken = 16;
constexpr int64_t kGrowth = 4;
// What the end of a beginning may add to its tokens: words that the cut parts,
// and spaces that would be joined to what follows.
constexpr int64_t kSlackShare = 8, kSlackTokens = 8;

}  // namespace

absl::StatusOr<LimitedTokens> TokenizeUpTo(int64_t limit, std::string_view text,
                                           const TokenizeFunction& tokenize) {
  const auto size = int64_t(text.size());
  limit = std::min(limit, size);  // no text has more than one a byte
  const int64_t too_many = limit + limit / kSlackShare + kSlackTokens;
  for (int64_t bytes = too_many * kBytesPerToken; bytes < size;
       bytes *= kGrowth) {
    const std::string_view cut = text.substr(0, size_t(bytes));
    const std::string_view beginning = cut.substr(0, CompleteUtf8Prefix(cut));
    GIST_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenize(beginning));
    if (int64_t(ids.size()) > too_many)
      return LimitedTokens{std::move(ids), beginning.size()};
  }
  GIST_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenize(text));
  return LimitedTokens{std::move(ids), text.size()};
}

std::string InFirstBytes(const LimitedTokens& tokens, std::string_view text) {
  return tokens.bytes == text.size()
             ? ""
             : fmt::format(" in the first {} bytes", tokens.bytes);
}

}  // namespace gist
