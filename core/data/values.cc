#include "core/data/values.h"

#include <array>

#include "core/data/words.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::string_view kMonths[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

const Words& WordsOf(std::string_view language) {
  return language == "ko" ? KoreanWords() : EnglishWords();
}

// The first of draw()'s texts that is in `split`: two or ten tries on average.
template <typename Draw>
std::string DrawFrom(Split split, Draw draw) {
  while (true) {
    std::string text = draw();
    if (SplitOf(text) == split) return text;
  }
}

std::string Code(std::span<const std::string> parts, Rng& rng) {
  std::string code;
  if (!parts.empty() && rng.Below(2) == 0) code = rng.Pick(parts);
  const bool at_end = !code.empty() && rng.Below(2) == 0;
  while (code.size() < kCodeLetterCount) {
    const char letter = kCodeLetters[rng.Below(kCodeLetters.size())];
    code.insert(at_end ? code.begin() : code.end(), letter);
  }
  for (int i = 0; i < 3; ++i) code += char('0' + rng.Below(10));
  return code;
}

std::string Number(Rng& rng) {
  const size_t digits = 3 + rng.Below(6);
  std::string number(1, char('1' + rng.Below(9)));
  while (number.size() < digits) number += char('0' + rng.Below(10));
  return number;
}

std::string Uuid(Rng& rng) {
  const uint64_t high = (rng.Next() & ~0xf000ull) | 0x4000ull;  // version 4
  const uint64_t low = (rng.Next() & ~(3ull << 62)) | (2ull << 62);  // variant
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32,
                     (high >> 16) & 0xffff, high & 0xffff, low >> 48,
                     low & 0xffffffffffff);
}

std::string FullName(std::string_view language, Rng& rng) {
  const Words& words = WordsOf(language);
  const std::string_view given = rng.Pick(words.given_names);
  const std::string_view family = rng.Pick(words.family_names);
  return language == "ko" ? fmt::format("{}{}", family, given)
                          : fmt::format("{} {}", given, family);
}

// One day is in the same split in every language.
std::string Date(std::string_view language, Split split, Rng& rng) {
  const std::string iso = DrawFrom(split, [&] {
    const size_t year = 1850 + rng.Below(170);
    const size_t month = 1 + rng.Below(12);
    return fmt::format("{:04}-{:02}-{:02}", year, month, 1 + rng.Below(28));
  });
  const int month = std::stoi(iso.substr(5, 2));
  const int day = std::stoi(iso.substr(8, 2));
  return language == "ko"
             ? fmt::format("{}년 {}월 {}일", iso.substr(0, 4), month, day)
             : fmt::format("{} {} {}", day, kMonths[month - 1],
                           iso.substr(0, 4));
}

std::string Word(std::span<const std::string_view> words, Split split,
                 Rng& rng) {
  return DrawFrom(split, [&] { return std::string(rng.Pick(words)); });
}

}  // namespace

std::string_view Name(ValueKind kind) {
  constexpr std::string_view kNames[] = {"code", "number", "name", "uuid",
                                         "date"};
  return kNames[int(kind)];
}

std::string RandomValue(ValueKind kind, std::string_view language, Split split,
                        Rng& rng, std::span<const std::string> code_parts) {
  if (kind == ValueKind::kDate) return Date(language, split, rng);
  return DrawFrom(split, [&] {
    switch (kind) {
      case ValueKind::kNumber:
        return Number(rng);
      case ValueKind::kName:
        return FullName(language, rng);
      case ValueKind::kUuid:
        return Uuid(rng);
      default:
        return Code(code_parts, rng);
    }
  });
}

std::string RandomKey(std::string_view language, Split split, Rng& rng) {
  const Words& words = WordsOf(language);
  return DrawFrom(split, [&] {
    const std::string_view head = rng.Pick(words.key_heads);
    return fmt::format("{} {}", head, rng.Pick(words.key_tails));
  });
}

std::string RandomTopic(std::string_view language, Split split, Rng& rng) {
  return Word(WordsOf(language).topics, split, rng);
}

std::string RandomEvent(std::string_view language, Split split, Rng& rng) {
  return Word(WordsOf(language).events, split, rng);
}

}  // namespace gist
