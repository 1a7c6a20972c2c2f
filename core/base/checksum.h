// XXH3-64, which finds damage (it is no defence against forgery), and the
// envelope that puts it around a value. FORMAT.md gives the bytes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// Of the parts' concatenation.
uint64_t Xxh3(std::initializer_list<std::string_view> parts);

// What Seal adds to a payload.
inline constexpr int64_t kSealBytes = 9;

// `payload` with a version and a checksum in front. The checksum covers `key`
// too, so that a value found under another key is refused.
std::string Seal(std::string_view key, std::string_view payload);

// The payload, borrowed from `value`. kDataLoss: damaged; kFailedPrecondition:
// whole, but of a newer version.
absl::StatusOr<std::string_view> Unseal(std::string_view key,
                                        std::string_view value);

}  // namespace gist
