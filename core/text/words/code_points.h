// Characters of valid UTF-8.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <string_view>

namespace gist {

// Where the character that byte `at` is in begins; text.size() for the end.
inline size_t CharStart(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] & 0xC0) == 0x80) --at;
  return at;
}

// Where the character that begins at `at` ends.
inline size_t CharEnd(std::string_view text, size_t at) {
  do ++at;
  while (at < text.size() && (text[at] & 0xC0) == 0x80);
  return at;
}

// The character that begins at `at`; 0 at the end.
inline char32_t CodePointAt(std::string_view text, size_t at) {
  utf8proc_int32_t c = 0;
  if (at == text.size()) return 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                   utf8proc_ssize_t(text.size() - at), &c);
  return char32_t(c);
}

// Unicode's White_Space.
inline bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace gist
