#include "core/text/words/token_finder.h"

#include <algorithm>

#include "core/text/words/code_points.h"

namespace gist {
namespace {

size_t SpaceBegin(std::string_view text, size_t at, size_t least) {
  while (at > least) {
    const size_t before = CharStart(text, at - 1);
    if (!IsWhiteSpace(CodePointAt(text, before))) break;
    at = before;
  }
  return at;
}

size_t SpaceEnd(std::string_view text, size_t at) {
  while (at < text.size() && IsWhiteSpace(CodePointAt(text, at))) {
    at = CharEnd(text, at);
  }
  return at;
}

}  // namespace

void TokenFinder::Add(std::string_view content, const FoundToken& token) {
  if (content.empty()) return;
  auto& entries = by_first_byte_[static_cast<unsigned char>(content.front())];
  const auto shorter = std::ranges::find_if(entries, [&](const Entry& entry) {
    return entry.content.size() < content.size();
  });
  entries.insert(shorter, {std::string(content), token});
}

const TokenFinder::Entry* TokenFinder::LongestAt(std::string_view text,
                                                 size_t at) const {
  for (const Entry& entry :
       by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(entry.content)) return &entry;
  }
  return nullptr;
}

std::vector<TokenOrText> TokenFinder::Split(std::string_view text) const {
  std::vector<TokenOrText> parts;
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Entry* const found = LongestAt(text, at);
    if (found == nullptr) {
      ++at;
      continue;
    }
    const FoundToken& token = found->token;
    const size_t begin = token.strip_left ? SpaceBegin(text, at, end) : at;
    at += found->content.size();
    if (token.strip_right) at = SpaceEnd(text, at);
    if (begin > end) parts.push_back({end, begin});
    parts.push_back({begin, at, token.id});
    end = at;
  }
  if (end < text.size()) parts.push_back({end, text.size()});
  return parts;
}

}  // namespace gist
