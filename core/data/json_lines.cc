#include "core/data/json_lines.h"

#include <array>
#include <fstream>

#include "core/data/zstd_text.h"

namespace gist {

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    text.append(buffer.data(), size_t(file.gcount()));
  }
  if (!file.eof()) {
    return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  }
  if (!IsZstd(text)) return text;
  auto expanded = ExpandZstd(text);
  if (!expanded.ok()) return Within(path, expanded.status());
  return expanded;
}

}  // namespace gist
