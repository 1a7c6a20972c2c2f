// The values of an enum by the names that the command line and files give them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gist::client {

template <typename Enum, size_t N>
std::vector<std::string> NamesOf(const Enum (&values)[N],
                                 std::string_view (*name_of)(Enum)) {
  std::vector<std::string> names;
  for (const Enum value : values) names.emplace_back(name_of(value));
  return names;
}

// No value: none has that name.
template <typename Enum, size_t N>
std::optional<Enum> ValueNamed(const Enum (&values)[N],
                               std::string_view (*name_of)(Enum),
                               std::string_view name) {
  for (const Enum value : values) {
    if (name_of(value) == name) return value;
  }
  return std::nullopt;
}

}  // namespace gist::client
