#include "core/data/template.h"

#include <optional>
#include <utility>

namespace gist {
namespace {

enum class Ending { kVowel, kConsonant, kRieul };

// Of the digits 영 일 이 삼 사 오 육 칠 팔 구.
Ending DigitEnding(char digit) {
  constexpr std::string_view kRieul = "178";
  constexpr std::string_view kVowel = "2459";
  if (kRieul.find(digit) != kRieul.npos) return Ending::kRieul;
  return kVowel.find(digit) != kVowel.npos ? Ending::kVowel
                                           : Ending::kConsonant;
}

// Of the letters' names: 엘 and 알 end in ㄹ, 엠 and 엔 in a nasal.
Ending LetterEnding(char letter) {
  switch (letter | 0x20) {
    case 'l':
    case 'r':
      return Ending::kRieul;
    case 'm':
    case 'n':
      return Ending::kConsonant;
    default:
      return Ending::kVowel;
  }
}

// A Hangul syllable is 0xAC00 + (initial * 21 + vowel) * 28 + final; its final
// 8 is ㄹ. Source: The Unicode Standard, section 3.12.
Ending SyllableEnding(char32_t syllable) {
  const int last = int(syllable - 0xac00) % 28;
  if (last == 0) return Ending::kVowel;
  return last == 8 ? Ending::kRieul : Ending::kConsonant;
}

Ending EndingOf(std::string_view text) {
  const auto byte = [&](size_t back) {
    return static_cast<unsigned char>(text[text.size() - back]);
  };
  if (text.empty()) return Ending::kVowel;
  const char last = text.back();
  if (last >= '0' && last <= '9') return DigitEnding(last);
  if ((last | 0x20) >= 'a' && (last | 0x20) <= 'z') return LetterEnding(last);
  if (text.size() < 3 || (byte(3) & 0xf0) != 0xe0) return Ending::kVowel;
  const char32_t code = (char32_t(byte(3) & 0x0f) << 12) |
                        (char32_t(byte(2) & 0x3f) << 6) | (byte(1) & 0x3f);
  return code >= 0xac00 && code <= 0xd7a3 ? SyllableEnding(code)
                                          : Ending::kVowel;
}

std::string_view Particle(std::string_view before, std::string_view mark) {
  const size_t slash = mark.find('/');
  const std::string_view first = mark.substr(0, slash);
  const std::string_view second = mark.substr(slash + 1);
  const Ending ending = EndingOf(before);
  if (ending == Ending::kVowel) return second;
  return ending == Ending::kRieul && second == "로" ? second : first;
}

std::optional<std::string_view> Filling(std::string_view before,
                                        std::string_view mark,
                                        const Slots& slots) {
  if (mark.empty()) return slots.value;
  if (mark == "k") return slots.key;
  if (mark == "o") return slots.other;
  if (mark == "t") return slots.third;
  if (mark.find('/') != mark.npos) return Particle(before, mark);
  return std::nullopt;
}

// Takes the text before the next mark off `text`, and the mark without its
// braces; both are empty at the end.
struct Piece {
  std::string_view before, mark;
  bool has_mark = false;
};
Piece NextPiece(std::string_view* text) {
  const size_t open = text->find('{');
  const size_t close = text->find('}', open == text->npos ? 0 : open);
  if (open == text->npos || close == text->npos) {
    return {std::exchange(*text, {}), {}, false};
  }
  const Piece piece = {text->substr(0, open),
                       text->substr(open + 1, close - open - 1), true};
  text->remove_prefix(close + 1);
  return piece;
}

std::string_view* SlotOf(std::string_view mark, Slots* slots) {
  if (mark.empty()) return &slots->value;
  if (mark == "k") return &slots->key;
  if (mark == "o") return &slots->other;
  return mark == "t" ? &slots->third : nullptr;
}

bool Match(std::string_view text, std::string_view filled, Slots* slots);

bool MatchMark(std::string_view mark, std::string_view text,
               std::string_view filled, Slots* slots) {
  const size_t slash = mark.find('/');
  if (slash != mark.npos) {
    for (const auto particle :
         {mark.substr(0, slash), mark.substr(slash + 1)}) {
      if (filled.starts_with(particle) &&
          Match(text, filled.substr(particle.size()), slots)) {
        return true;
      }
    }
    return false;
  }
  std::string_view* const slot = SlotOf(mark, slots);
  for (size_t size = 1; slot != nullptr && size <= filled.size(); ++size) {
    *slot = filled.substr(0, size);
    if (Match(text, filled.substr(size), slots)) return true;
  }
  return false;
}

// Questions are short: trying every length of every slot is quick.
bool Match(std::string_view text, std::string_view filled, Slots* slots) {
  const Piece piece = NextPiece(&text);
  if (!filled.starts_with(piece.before)) return false;
  filled.remove_prefix(piece.before.size());
  if (!piece.has_mark) return filled.empty();
  return MatchMark(piece.mark, text, filled, slots);
}

}  // namespace

std::optional<Slots> Unfill(std::string_view text, std::string_view filled) {
  Slots slots;
  if (!Match(text, filled, &slots)) return std::nullopt;
  return slots;
}

std::string Fill(std::string_view text, const Slots& slots) {
  std::string filled;
  while (!text.empty()) {
    const size_t open = text.find('{');
    filled += text.substr(0, open);
    if (open == text.npos) break;
    const size_t close = text.find('}', open);
    if (close == text.npos) return filled.append(text.substr(open));
    const std::string_view mark = text.substr(open + 1, close - open - 1);
    const auto filling = Filling(filled, mark, slots);
    filled += filling.value_or(text.substr(open, close + 1 - open));
    text.remove_prefix(close + 1);
  }
  return filled;
}

}  // namespace gist
