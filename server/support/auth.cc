#include "server/support/auth.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "server/support/errors.h"
#include "server/support/file_io.h"
#include "server/support/names.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

constexpr std::array<std::string_view, 4> kRoleNames = {"reader", "writer",
                                                        "trainer", "admin"};
constexpr std::string_view kDefaultTenant = "default";

std::optional<Role> RoleNamed(std::string_view name) {
  for (size_t i = 0; i < kRoleNames.size(); ++i) {
    if (kRoleNames[i] == name) return Role(i + 1);
  }
  return std::nullopt;
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && IsLowerHex(text);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Sets what `key` names; the problem, or empty.
std::string Take(std::string_view key, std::string_view value, std::string& id,
                 TokenBook::Entry& entry) {
  if (key == "id") {
    id = value;
    return IsHex(value, 16) ? "" : "id is not 16 hex digits";
  }
  if (key == "tenant") {
    entry.principal.tenant = value == kDefaultTenant ? "" : value;
    return IsPlainName(value) ? ""
                              : "tenant is not 1 to 64 of a-z, 0-9, _ and -";
  }
  if (key == "role") {
    const auto role = RoleNamed(value);
    if (role) entry.principal.role = *role;
    return role ? "" : "role is none of reader, writer, trainer, admin";
  }
  if (key == "salt") {
    entry.salt = value;
    return IsHex(value, 32) ? "" : "salt is not 32 hex digits";
  }
  if (key == "sha256") {
    entry.hash = value;
    return IsHex(value, 64) ? "" : "sha256 is not 64 hex digits";
  }
  if (key == "expires") {
    const auto time = ParseUtcTime(value);
    entry.expires = time.value_or(0);
    return time && *time > 0 ? "" : "expires is not like 2027-01-31T00:00:00Z";
  }
  return "unknown key; known are id, tenant, role, salt, sha256, expires";
}

// What keeps a line from being a token's; empty: nothing.
std::string ParseLine(std::string_view line, std::string& id,
                      TokenBook::Entry& entry) {
  std::vector<std::string_view> keys;
  for (const std::string_view part : Split(line, ' ')) {
    const size_t equals = part.find('=');
    if (equals == part.npos) return "a word without =";
    const std::string_view key = part.substr(0, equals);
    if (std::ranges::count(keys, key) > 0) return "a key comes twice";
    keys.push_back(key);
    std::string problem = Take(key, part.substr(equals + 1), id, entry);
    if (!problem.empty()) return problem;
  }
  for (const char* const key : {"id", "tenant", "role", "salt", "sha256"}) {
    if (std::ranges::count(keys, key) == 0) {
      return fmt::format("{} is missing", key);
    }
  }
  entry.principal.token_id = id;
  return "";
}

// RFC 6750, with the scheme's case left open by RFC 9110. A token has no other
// spelling.
absl::StatusOr<std::string_view> TokenIn(
    std::span<const std::string_view> authorization) {
  if (authorization.empty()) {
    return Error(Reason::kTokenMissing,
                 "the call has no token; send the header \"authorization: "
                 "Bearer TOKEN\"");
  }
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view value = authorization.front();
  const bool is_bearer =
      authorization.size() == 1 && value.size() > kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                 [](char a, char b) { return a == std::tolower(uint8_t(b)); });
  if (is_bearer && TokenId(value.substr(kScheme.size()))) {
    return value.substr(kScheme.size());
  }
  return Error(Reason::kTokenMalformed,
               "want one header \"authorization: Bearer TOKEN\" with a token "
               "that `gist tokens new` made");
}

}  // namespace

std::string_view NameOf(Role role) { return kRoleNames[size_t(role) - 1]; }

absl::StatusOr<TokenBook> TokenBook::Parse(std::string_view text) {
  TokenBook book;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    while (!line.empty() && std::isspace(uint8_t(line.back()))) {
      line.remove_suffix(1);
    }
    if (line.empty()) continue;
    std::string id;
    Entry entry;
    std::string problem = ParseLine(line, id, entry);
    if (problem.empty() && !book.entries_.emplace(id, entry).second) {
      problem = "its id is another line's too";
    }
    if (!problem.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("line {}: {}", number, problem));
    }
  }
  return book;
}

absl::StatusOr<Principal> TokenBook::Find(
    std::span<const std::string_view> authorization,
    int64_t now_unix_seconds) const {
  GIST_ASSIGN_OR_RETURN(const std::string_view token, TokenIn(authorization));
  const auto found = entries_.find(*TokenId(token));
  const bool is_known = found != entries_.end();
  // An unknown id costs a hash and a comparison too.
  const Entry nobody = {{}, std::string(32, '0'), std::string(64, '0'), 0};
  const Entry& entry = is_known ? found->second : nobody;
  const bool is_equal =
      EqualInConstantTime(TokenHash(entry.salt, token), entry.hash);
  if (!is_known || !is_equal) {
    return Error(Reason::kTokenInvalid,
                 "the token is not one of this server's; ask its operator for "
                 "a token");
  }
  if (entry.expires != 0 && now_unix_seconds >= entry.expires) {
    return Error(Reason::kTokenExpired,
                 fmt::format("the token expired at {}; ask the server's "
                             "operator for a new one",
                             FormatUtcTime(entry.expires)));
  }
  return entry.principal;
}

absl::StatusOr<std::unique_ptr<Authenticator>> Authenticator::Open(
    std::string path, UnixClock now) {
  if (!now) now = [] { return int64_t(std::time(nullptr)); };
  std::unique_ptr<Authenticator> authenticator(
      new Authenticator(std::move(path), std::move(now)));
  authenticator->stamp_ = StampOfFile(authenticator->path_);
  GIST_RETURN_IF_ERROR(authenticator->Load());
  return authenticator;
}

absl::Status Authenticator::Load() {
  const auto text = ReadStateFile(path_);
  GIST_RETURN_IF_ERROR(text.status());
  auto book = TokenBook::Parse(*text);
  if (!book.ok()) return Within(path_, book.status());
  book_ = std::make_shared<const TokenBook>(*std::move(book));
  return absl::OkStatus();
}

std::shared_ptr<const TokenBook> Authenticator::Current() {
  const std::scoped_lock lock(mutex_);
  const int64_t now = now_();
  if (now == looked_at_) return book_;
  looked_at_ = now;
  std::string stamp = StampOfFile(path_);
  if (stamp == stamp_) return book_;
  stamp_ = std::move(stamp);
  const absl::Status loaded = Load();
  if (loaded.ok()) {
    SPDLOG_INFO("auth file={:?} tokens={}", path_, book_->size());
  } else {
    SPDLOG_ERROR("auth file={:?} kept_tokens={} error={:?}", path_,
                 book_->size(), Message(loaded));
  }
  return book_;
}

absl::StatusOr<Principal> Authenticator::Authenticate(
    std::span<const std::string_view> authorization) {
  return Current()->Find(authorization, now_());
}

absl::Status CheckRole(const Principal& principal, Role wanted) {
  if (principal.role >= wanted) return absl::OkStatus();
  return Error(
      Reason::kRoleTooLow,
      fmt::format("the token's role is {}, this call needs {}; ask the "
                  "server's operator for such a token",
                  NameOf(principal.role), NameOf(wanted)),
      {{"role", std::string(NameOf(principal.role))},
       {"wantedRole", std::string(NameOf(wanted))}});
}

}  // namespace gist
