#include "core/base/quoted.h"

#include "core/base/utf8.h"
#include "fmt/format.h"

namespace gist {

std::string Quoted(std::string_view text) {
  constexpr size_t kShownBytes = 80;
  std::string_view start = text.substr(0, kShownBytes);
  start = start.substr(0, CompleteUtf8Prefix(start));
  const bool is_utf8 = FirstInvalidUtf8(start) == start.size();
  std::string quoted = "\"";
  for (const char c : start) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_utf8)) {
      quoted += fmt::format("\\x{:02X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + (start.size() < text.size() ? "\"..." : "\"");
}

}  // namespace gist
