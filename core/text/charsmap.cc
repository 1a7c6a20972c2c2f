#include "core/text/charsmap.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "core/base/utf8.h"
#include "fmt/format.h"

namespace gist {
namespace {

static_assert(std::endian::native == std::endian::little);

// A unit of the double array: a label, where its children are, and whether one
// of them is a leaf. A leaf holds a value.
uint32_t Label(uint32_t unit) { return unit & (1U << 31 | 0xFF); }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
size_t Children(uint32_t unit) {
  return size_t(unit >> 10) << ((unit >> 9 & 1) * 8);
}
size_t ValueOf(uint32_t leaf) { return leaf & ~(1U << 31); }

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Create(std::string_view blob) {
  uint32_t size = 0;
  const bool has_size = blob.size() >= sizeof(size);
  if (has_size) std::memcpy(&size, blob.data(), sizeof(size));
  if (!has_size || size > blob.size() - sizeof(size) ||
      size % sizeof(uint32_t) != 0 || size == 0) {
    return absl::DataLossError(fmt::format(
        "charsmap: an array of {} bytes in {}, want a multiple of 4 that fits",
        size, blob.size()));
  }
  Charsmap map;
  map.units_.resize(size / sizeof(uint32_t));
  std::memcpy(map.units_.data(), blob.data() + sizeof(size), size);
  map.strings_ = blob.substr(sizeof(size) + size);
  if (const size_t bad = FirstInvalidUtf8(map.strings_);
      bad != map.strings_.size() || !map.strings_.ends_with('\0')) {
    return absl::DataLossError(fmt::format(
        "charsmap: byte {} of its strings is broken, want UTF-8 that ends "
        "with 0",
        bad));
  }
  return map;
}

std::optional<std::string_view> Charsmap::Find(std::string_view text) const {
  if (units_.empty()) return std::nullopt;
  size_t at = Children(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    at ^= byte;
    if (byte == 0 || at >= units_.size() || Label(units_[at]) != byte) break;
    const uint32_t unit = units_[at];
    at ^= Children(unit);
    if (!HasLeaf(unit)) continue;
    const size_t start = at < units_.size() ? ValueOf(units_[at]) : at;
    // A broken map maps nothing.
    if (start >= strings_.size() || (strings_[start] & 0xC0) == 0x80) break;
    return std::string_view(strings_.c_str() + start);
  }
  return std::nullopt;
}

}  // namespace gist
