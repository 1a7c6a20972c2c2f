// Who calls, and what they may do: bearer tokens out of a file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/token.h"
#include "server/support/principal.h"

namespace gist {

// Tokens by id. The tenant "default" is the one that a server without a token
// file serves; its name here is empty.
class TokenBook {
 public:
  struct Entry {
    Principal principal;
    std::string salt;
    std::string hash;
    int64_t expires = 0;  // Unix seconds; 0: never
  };

  // A token a line, as FormatTokenLine writes it; "#" begins a remark.
  // kInvalidArgument names the line, never a hash.
  static absl::StatusOr<TokenBook> Parse(std::string_view text);

  // `authorization`: the values of all the call's headers of that name.
  // kUnauthenticated, with a reason.
  absl::StatusOr<Principal> Find(
      std::span<const std::string_view> authorization,
      int64_t now_unix_seconds) const;
  size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

// Reads the file again when it has changed, looking at most once a second. A
// file that cannot be read or parsed is logged once, and the tokens before it
// stay. Thread-safe.
class Authenticator {
 public:
  using UnixClock = std::function<int64_t()>;

  // kInvalidArgument, kNotFound, kUnavailable: the file, with its name.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Open(
      std::string path, UnixClock now = {});

  absl::StatusOr<Principal> Authenticate(
      std::span<const std::string_view> authorization);

 private:
  Authenticator(std::string path, UnixClock now)
      : path_(std::move(path)), now_(std::move(now)) {}
  absl::Status Load();
  std::shared_ptr<const TokenBook> Current();

  const std::string path_;
  const UnixClock now_;
  std::mutex mutex_;  // guards all below
  std::shared_ptr<const TokenBook> book_;
  std::string stamp_;       // of the file that was read last
  int64_t looked_at_ = -1;  // Unix seconds
};

// kPermissionDenied unless `principal` has `wanted` or more.
absl::Status CheckRole(const Principal& principal, Role wanted);

}  // namespace gist
