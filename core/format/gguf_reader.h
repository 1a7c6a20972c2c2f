// The primitives of a GGUF header, each bounded by the bytes that are left.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace gist {

// Errors are kDataLoss: `what` was read at which byte, got, wanted.
class GgufReader {
 public:
  explicit GgufReader(std::string_view bytes) : bytes_(bytes) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  template <typename T>
  requires std::integral<T> || std::floating_point<T> absl::StatusOr<T> Number(
      std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    GIST_RETURN_IF_ERROR(Require(sizeof(T), what));
    T number;
    std::memcpy(&number, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return number;
  }

  // Length as 8 bytes, then the bytes.
  absl::StatusOr<std::string> String(std::string_view what) {
    GIST_ASSIGN_OR_RETURN(const auto size, Number<uint64_t>(what));
    GIST_RETURN_IF_ERROR(Require(size, what));
    std::string text(bytes_.substr(offset_, size));
    offset_ += size;
    return text;
  }

  // OK if `count` things of at least `min_bytes` each may follow: what bounds
  // every allocation.
  absl::Status RequireRoom(uint64_t count, size_t min_bytes,
                           std::string_view what) const {
    if (count <= remaining() / min_bytes) return absl::OkStatus();
    return absl::DataLossError(fmt::format(
        "gguf: {} at byte {} is {}, but the {} B that are left hold "
        "at most {}",
        what, offset_, count, remaining(), remaining() / min_bytes));
  }

 private:
  absl::Status Require(uint64_t size, std::string_view what) const {
    if (size <= remaining()) return absl::OkStatus();
    return absl::DataLossError(
        fmt::format("gguf: {} at byte {} takes {} B, {} B are left: the file "
                    "is truncated or corrupt",
                    what, offset_, size, remaining()));
  }

  std::string_view bytes_;
  size_t offset_ = 0;
};

}  // namespace gist
