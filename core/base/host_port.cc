#include "core/base/host_port.h"

#include <charconv>
#include <cstdio>
#include <system_error>

namespace gist {

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!in_brackets && host.find(':') != host.npos)) {
    return std::nullopt;
  }
  HostPort address = {std::string(host), 0};
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || rest != end) return std::nullopt;
  if (address.port < 0 || address.port > 65535) return std::nullopt;
  return address;
}

// Numbers are compared, so that "127.evil.example" is not loopback.
bool IsLoopbackHost(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  int part[4];
  int used = 0;
  return std::sscanf(host.c_str(), "%3d.%3d.%3d.%3d%n", &part[0], &part[1],
                     &part[2], &part[3], &used) == 4 &&
         size_t(used) == host.size() && part[0] == 127;
}

}  // namespace gist
