// Bearer tokens: what a client keeps secret, and what a server keeps of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gist {

// "gist_", 16 hex digits that name the token, "_", 64 hex digits (256 bits)
// that nobody else knows. Lower case.
inline constexpr size_t kTokenBytes = 5 + 16 + 1 + 64;

// From OpenSSL's random numbers; without them the process ends.
std::string NewToken();
// 128 random bits, as 32 hex digits.
std::string NewTokenSalt();
// The digits that name a token; nothing where `token` is not of that form.
std::optional<std::string_view> TokenId(std::string_view token);
// Hex SHA-256 over the salt's length, the salt and the token. One round is
// enough: nobody finds 256 random bits by trying. A slow hash (bcrypt, Argon2)
// protects passwords that people chose; here it would only let strangers keep
// the processor busy.
std::string TokenHash(std::string_view salt, std::string_view token);

// The time does not depend on where two texts differ, only on their sizes.
bool EqualInConstantTime(std::string_view a, std::string_view b);

// A line of a token file.
struct TokenLine {
  std::string id;      // 16 hex digits
  std::string tenant;  // 1 to 64 of a-z, 0-9, _ and -
  std::string role;    // "reader", "writer", "trainer", "admin"
  std::string salt;
  std::string hash;                // TokenHash
  std::optional<int64_t> expires;  // Unix seconds
};

// "id=... tenant=... role=... salt=... sha256=... expires=...", no newline.
std::string FormatTokenLine(const TokenLine& line);

// "2027-01-31T00:00:00Z", UTC; nothing where it is no such time.
std::optional<int64_t> ParseUtcTime(std::string_view text);
std::string FormatUtcTime(int64_t unix_seconds);

}  // namespace gist
