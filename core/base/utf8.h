// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, at most
// U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace gist {

// Byte offset of the first malformed sequence, or text.size() if there is none.
size_t FirstInvalidUtf8(std::string_view text);

// Length of the longest prefix of `bytes` that does not end inside a sequence
// which more bytes could complete: what can be sent on while tokens arrive.
size_t CompleteUtf8Prefix(std::string_view bytes);

}  // namespace gist
