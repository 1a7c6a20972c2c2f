#include "core/base/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "core/base/identity.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::string_view kPrefix = "gist_";
constexpr size_t kIdDigits = 16;

template <size_t kBytes>
std::string RandomHex() {
  std::array<unsigned char, kBytes> bytes;
  if (RAND_bytes(bytes.data(), int(bytes.size())) != 1) {
    std::fputs("gist: this OpenSSL has no random numbers\n", stderr);
    std::abort();  // a token that can be guessed is worse than none
  }
  std::string hex;
  for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

std::string NewToken() {
  return fmt::format("{}{}_{}", kPrefix, RandomHex<kIdDigits / 2>(),
                     RandomHex<32>());
}

std::string NewTokenSalt() { return RandomHex<16>(); }

std::optional<std::string_view> TokenId(std::string_view token) {
  if (token.size() != kTokenBytes || !token.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const std::string_view id = token.substr(kPrefix.size(), kIdDigits);
  const std::string_view rest = token.substr(kPrefix.size() + kIdDigits);
  if (rest.front() != '_' || !IsLowerHex(id) || !IsLowerHex(rest.substr(1))) {
    return std::nullopt;
  }
  return id;
}

std::string TokenHash(std::string_view salt, std::string_view token) {
  return DocumentId(salt, token);  // the same hash over the same fields
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string FormatTokenLine(const TokenLine& line) {
  std::string text =
      fmt::format("id={} tenant={} role={} salt={} sha256={}", line.id,
                  line.tenant, line.role, line.salt, line.hash);
  if (line.expires) text += " expires=" + FormatUtcTime(*line.expires);
  return text;
}

std::optional<int64_t> ParseUtcTime(std::string_view text) {
  const std::string copy(text);
  std::tm time = {};
  const char* const end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const int64_t seconds = timegm(&time);
  // "2027-02-31" and the like come back as another day.
  if (FormatUtcTime(seconds) != text) return std::nullopt;
  return seconds;
}

std::string FormatUtcTime(int64_t unix_seconds) {
  const std::time_t seconds = unix_seconds;
  std::tm time = {};
  if (gmtime_r(&seconds, &time) == nullptr) return "";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                     time.tm_year + 1900, time.tm_mon + 1, time.tm_mday,
                     time.tm_hour, time.tm_min, time.tm_sec);
}

}  // namespace gist
