#include "client/terminal/units.h"

#include <array>
#include <cmath>
#include <ctime>

#include "fmt/format.h"

namespace gist::client {

std::string FormatCount(int64_t count) {
  std::string digits = fmt::format("{}", count);
  const int first = count < 0 ? 1 : 0;
  for (int at = int(digits.size()) - 3; at > first; at -= 3) {
    digits.insert(size_t(at), 1, ',');
  }
  return digits;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  constexpr std::array kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = double(bytes) / 1000;
  size_t unit = 0;
  // 999.5 would be rounded to "1000 kB".
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string FormatSeconds(double seconds) {
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string FormatRatio(double ratio) {
  return fmt::format("{:.{}f}x", ratio, ratio < 9.95 ? 1 : 0);
}

std::string FormatTime(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local = {};
  if (localtime_r(&seconds, &local) == nullptr) return "?";
  std::array<char, 32> text;
  const size_t size =
      std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local);
  return std::string(text.data(), size);
}

}  // namespace gist::client
