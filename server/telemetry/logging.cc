#include "server/telemetry/logging.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fmt/chrono.h"
#include "nlohmann/json.hpp"
#include "spdlog/formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

using Json = nlohmann::ordered_json;
using Pair = std::pair<std::string, Json>;

bool IsKey(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// What is no character comes out as no UTF-8, and is replaced with the rest.
std::string Utf8(uint32_t c) {
  const auto tail = [c](int shift) { return char(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {char(c)};
  if (c < 0x800) return {char(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {char(0xE0 | c >> 12), tail(6), tail(0)};
  return {char(0xF0 | (c >> 18 & 7)), tail(12), tail(6), tail(0)};
}

// Hex digits at the front of `text`, at most `most`, as a number.
uint32_t TakeHex(std::string_view& text, size_t most) {
  uint32_t value = 0;
  for (size_t i = 0; i < most && !text.empty(); ++i) {
    const char c = text.front();
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) break;
    value = value * 16 + uint32_t(c <= '9' ? c - '0' : c - 'a' + 10);
    text.remove_prefix(1);
  }
  return value;
}

// One escape of fmt's debug format, behind its backslash.
std::string TakeEscape(std::string_view& text) {
  const char kind = text.front();
  text.remove_prefix(1);
  switch (kind) {
    case 'n':
      return "\n";
    case 'r':
      return "\r";
    case 't':
      return "\t";
    case 'x':
      return std::string(1, char(TakeHex(text, 2)));
    case 'u':
      return Utf8(TakeHex(text, 4));
    case 'U':
      return Utf8(TakeHex(text, 8));
    default:
      return std::string(1, kind);
  }
}

// `text` begins with a quote. Nothing: it has no end.
std::optional<std::string> TakeQuoted(std::string_view& text) {
  std::string value;
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return value;
    if (c == '\\' && !text.empty()) {
      value += TakeEscape(text);
    } else {
      value += c;
    }
  }
  return std::nullopt;
}

Json BareValue(std::string_view value) {
  const Json parsed = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_number() || parsed.is_boolean()) return parsed;
  return std::string(value);
}

// The pair at the front of `text`, with the spaces behind it.
std::optional<Pair> TakePair(std::string_view& text) {
  const size_t equals = text.find('=');
  if (equals == text.npos || !IsKey(text.substr(0, equals))) {
    return std::nullopt;
  }
  Pair pair;
  pair.first = text.substr(0, equals);
  text.remove_prefix(equals + 1);
  if (text.starts_with('"')) {
    auto value = TakeQuoted(text);
    if (!value || !(text.empty() || text.front() == ' ')) return std::nullopt;
    pair.second = *std::move(value);
  } else {
    const size_t end = std::min(text.find(' '), text.size());
    pair.second = BareValue(text.substr(0, end));
    text.remove_prefix(end);
  }
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return pair;
}

// Words up to the first pair, then pairs to the end; or nothing.
std::optional<std::pair<std::string, std::vector<Pair>>> Parse(
    std::string_view text) {
  std::string words;
  std::vector<Pair> pairs;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (text.substr(0, end).find('=') != text.npos) break;
    if (!words.empty()) words += ' ';
    words += text.substr(0, end);
    text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  }
  while (!text.empty()) {
    auto pair = TakePair(text);
    if (!pair) return std::nullopt;
    pairs.push_back(*std::move(pair));
  }
  return std::pair(std::move(words), std::move(pairs));
}

// UTC, RFC 3339, to the millisecond.
std::string TimeOf(spdlog::log_clock::time_point time) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(
                          time.time_since_epoch())
                          .count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::time_t(millis / 1000)), millis % 1000);
}

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message,
              spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        LogfmtToJson(TimeOf(message.time), {level.data(), level.size()},
                     {message.payload.data(), message.payload.size()});
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }
};

}  // namespace

std::string LogfmtToJson(std::string_view time, std::string_view level,
                         std::string_view line) {
  Json object = {{"ts", time}, {"level", level}};
  auto parsed = Parse(line);
  if (!parsed) parsed.emplace(std::string(line), std::vector<Pair>());
  if (!parsed->first.empty()) object["msg"] = std::move(parsed->first);
  for (auto& [key, value] : parsed->second) {
    while (object.contains(key)) key += '_';
    object[key] = std::move(value);
  }
  return object.dump(-1, ' ', /*ensure_ascii=*/false,
                     Json::error_handler_t::replace);
}

void StartLogging(LogFormat format) {
  spdlog::drop("gistd");
  auto logger = spdlog::stderr_logger_mt("gistd");
  if (format == LogFormat::kJson) {
    logger->set_formatter(std::make_unique<JsonLines>());
  } else {
    logger->set_pattern("ts=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  }
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace gist
