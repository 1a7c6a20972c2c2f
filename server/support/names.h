// Names and ids that a stranger may send and that become names of files.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "server/support/errors.h"

namespace gist {

// Lower-case letters, digits, "_" and "-", 1 to 64: a name of no other folder.
inline bool IsPlainName(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, is_plain);
}

// What can be shown of a text that a stranger sent.
inline std::string Shown(std::string_view text) {
  text = text.substr(0, 64);
  return std::string(text.substr(0, FirstInvalidUtf8(text)));
}

// kInvalidArgument with `what` in front.
inline absl::Status CheckPlainName(std::string_view what,
                                   std::string_view name) {
  if (IsPlainName(name)) return absl::OkStatus();
  return InvalidField(
      what, fmt::format("{} is {:?}, want 1 to 64 of a-z, 0-9, _ and -", what,
                        Shown(name)));
}

}  // namespace gist
