// Network addresses written HOST:PORT.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gist {

struct HostPort {
  std::string host;  // a name or an IP address, without brackets
  int port = 0;      // 0 to 65535
};

// "localhost:1", "127.0.0.1:1", "[::1]:1"; nothing for any other form.
std::optional<HostPort> ParseHostPort(std::string_view text);

// Is `host` this machine alone: localhost, ::1 or 127.0.0.0/8 in numbers?
bool IsLoopbackHost(const std::string& host);

}  // namespace gist
