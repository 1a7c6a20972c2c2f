// The lists that names, keys, topics and events are drawn from.
#pragma once

#include <span>
#include <string_view>

namespace gist {

struct Words {
  std::span<const std::string_view> given_names;
  std::span<const std::string_view> family_names;
  std::span<const std::string_view> key_heads;  // "Harbour"
  std::span<const std::string_view> key_tails;  // "archive"
  std::span<const std::string_view> topics;
  std::span<const std::string_view> events;
};

const Words& EnglishWords();
const Words& KoreanWords();

}  // namespace gist
