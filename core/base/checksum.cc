#include "core/base/checksum.h"

#define XXH_STATIC_LINKING_ONLY  // makes XXH3_state_t a complete type
#include <xxhash.h>

#include <bit>
#include <cstring>

#include "core/base/status.h"

namespace gist {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr unsigned char kVersion = 1;
constexpr size_t kSumBytes = sizeof(uint64_t);
constexpr size_t kHeadBytes = kSumBytes + sizeof(kVersion);
static_assert(kHeadBytes == kSealBytes);

}  // namespace

uint64_t Xxh3(std::initializer_list<std::string_view> parts) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (const std::string_view part : parts) {
    if (!part.empty()) XXH3_64bits_update(&state, part.data(), part.size());
  }
  return XXH3_64bits_digest(&state);
}

std::string Seal(std::string_view key, std::string_view payload) {
  const std::string_view version(reinterpret_cast<const char*>(&kVersion), 1);
  const uint64_t sum = Xxh3({key, version, payload});
  std::string value;
  value.reserve(kHeadBytes + payload.size());
  value.append(reinterpret_cast<const char*>(&sum), kSumBytes);
  value.append(version).append(payload);
  return value;
}

absl::StatusOr<std::string_view> Unseal(std::string_view key,
                                        std::string_view value) {
  if (value.size() < kHeadBytes) {
    return absl::DataLossError(
        fmt::format("{} B, want {} B or more", value.size(), kHeadBytes));
  }
  uint64_t stored;
  std::memcpy(&stored, value.data(), kSumBytes);
  const uint64_t actual = Xxh3({key, value.substr(kSumBytes)});
  if (stored != actual) {
    return absl::DataLossError(fmt::format(
        "checksum of the bytes {:016x}, want {:016x}", actual, stored));
  }
  const auto version = static_cast<unsigned char>(value[kSumBytes]);
  if (version != kVersion) {
    return absl::FailedPreconditionError(
        fmt::format("value of format version {}, supported is {}: update gistd",
                    version, kVersion));
  }
  return value.substr(kHeadBytes);
}

}  // namespace gist
