#include "core/retrieval/text_cuts.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string>

#include "core/text/words/code_points.h"

namespace gist {
namespace {

enum class Kind : uint8_t {
  kPlain,
  kIdeograph,
  kFullStop,   // may also end an abbreviation
  kEnd,        // ends a sentence before white space
  kWideEnd,    // ends one, white space or not
  kComma,      // ends a clause before white space
  kWideComma,  // ends one, white space or not
  kCloser,     // belongs to what is before it
  kQuote,      // opens or closes, by the side that white space is on
  kOther,      // other punctuation
};

constexpr std::u32string_view kEnds = U"!?…‽؟۔।॥᙮⸮‼⁇⁈⁉";
constexpr std::u32string_view kWideEnds = U"。！？｡．";
constexpr std::u32string_view kCommas = U",;:،؛";
constexpr std::u32string_view kWideCommas = U"、，；：､—";
constexpr std::u32string_view kClosers = U")]}”’»›」』）］】〉》〕｣";
constexpr std::u32string_view kQuotes = U"\"'";

bool Has(std::u32string_view set, char32_t c) {
  return set.find(c) != set.npos;
}

Kind KindOf(char32_t c) {
  if (c == '.') return Kind::kFullStop;
  if (Has(kEnds, c)) return Kind::kEnd;
  if (Has(kWideEnds, c)) return Kind::kWideEnd;
  if (Has(kCommas, c)) return Kind::kComma;
  if (Has(kWideCommas, c)) return Kind::kWideComma;
  if (Has(kClosers, c)) return Kind::kCloser;
  if (Has(kQuotes, c)) return Kind::kQuote;
  const BertClass kind = BertClassOf(c);
  if (kind == BertClass::kIdeograph) return Kind::kIdeograph;
  return kind == BertClass::kPunctuation ? Kind::kOther : Kind::kPlain;
}

bool IsPunctuation(Kind kind) {
  return kind != Kind::kPlain && kind != Kind::kIdeograph;
}

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = char(std::tolower((unsigned char)c));
  return lower;
}

bool IsAbbreviation(std::string_view word) {
  if (word.size() == 1) return std::isupper((unsigned char)word[0]) != 0;
  static constexpr std::array<std::string_view, 28> kKnown = {
      "al", "apr", "approx", "art", "aug",  "cf", "co",  "dec", "dr",  "ed",
      "eq", "feb", "fig",    "inc", "jan",  "jr", "ltd", "mr",  "mrs", "ms",
      "no", "nov", "oct",    "pp",  "prof", "sr", "st",  "vs"};
  return std::ranges::find(kKnown, LowerAscii(word)) != kKnown.end();
}

// Written at the end of sentences, or of clauses that give a reason.
bool HasKoreanEnding(std::string_view word) {
  static constexpr std::array<std::string_view, 11> kEndings = {
      "니다", "니까", "세요", "어요", "아요", "해요",
      "에요", "예요", "네요", "지요", "군요"};
  return std::ranges::any_of(kEndings, [word](std::string_view ending) {
    return word.ends_with(ending);
  });
}

class Rater {
 public:
  Rater(std::string_view text, std::span<const TextUnit> units)
      : text_(text), units_(units) {
    for (const TextUnit& unit : units) {
      kinds_.push_back(KindOf(CodePointAt(text, unit.begin)));
    }
  }

  // Between units i and i + 1.
  Cut After(size_t i) const {
    const std::string_view gap = GapAfter(i);
    const auto lines = std::ranges::count(gap, '\n');
    if (lines > 1 || gap.find("\u2029") != gap.npos) return Cut::kParagraph;
    const Kind next = kinds_[i + 1];
    if (gap.empty() && BelongsToTheLeft(next)) return Cut::kPoor;
    const size_t end = BeforeClosers(i);
    if (EndsSentence(end, !gap.empty(), units_[i + 1])) return Cut::kSentence;
    const Kind kind = kinds_[end];
    if (kind == Kind::kWideComma || lines > 0) return Cut::kClause;
    if (gap.empty()) {
      const bool inside = IsPunctuation(kinds_[i]) || IsPunctuation(next);
      return inside ? Cut::kPoor : Cut::kWord;
    }
    const bool clause = kind == Kind::kComma || HasKoreanEnding(Word(i));
    return clause ? Cut::kClause : Cut::kWord;
  }

 private:
  static bool BelongsToTheLeft(Kind kind) {
    return IsPunctuation(kind) && kind != Kind::kOther;
  }

  std::string_view Word(size_t i) const {
    return text_.substr(units_[i].begin, units_[i].end - units_[i].begin);
  }
  std::string_view GapAfter(size_t i) const {
    return text_.substr(units_[i].end, units_[i + 1].begin - units_[i].end);
  }
  bool IsJoined(size_t i) const {
    return i > 0 && units_[i - 1].end == units_[i].begin;
  }

  // The unit before the brackets and quotes that close at unit i.
  size_t BeforeClosers(size_t i) const {
    for (int steps = 0; steps < 4 && IsJoined(i); ++steps, --i) {
      if (kinds_[i] != Kind::kCloser && kinds_[i] != Kind::kQuote) break;
    }
    return i;
  }

  bool EndsSentence(size_t i, bool spaced, const TextUnit& next) const {
    const Kind kind = kinds_[i];
    if (kind == Kind::kWideEnd) return true;
    if (!spaced) return false;
    if (kind == Kind::kEnd || kind == Kind::kFullStop) {
      const char32_t c = CodePointAt(text_, next.begin);
      const bool small =
          utf8proc_category(utf8proc_int32_t(c)) == UTF8PROC_CATEGORY_LL;
      return !small && (kind == Kind::kEnd || !IsMarkedStop(i));
    }
    return false;
  }

  // The full stop at unit i is an abbreviation's or a list number's.
  bool IsMarkedStop(size_t i) const {
    if (!IsJoined(i)) return false;
    const std::string_view word = Word(i - 1);
    if (IsAbbreviation(word)) return true;
    const bool is_number =
        word.size() <= 3 && std::ranges::all_of(word, [](char c) {
          return std::isdigit((unsigned char)c) != 0;
        });
    if (!is_number) return false;
    return i == 1 || GapAfter(i - 2).find('\n') != std::string_view::npos;
  }

  std::string_view text_;
  std::span<const TextUnit> units_;
  std::vector<Kind> kinds_;
};

}  // namespace

void RateCuts(std::string_view text, std::vector<TextUnit>* units) {
  const Rater rater(text, *units);
  for (size_t i = 0; i + 1 < units->size(); ++i) {
    (*units)[i].after = rater.After(i);
  }
}

}  // namespace gist
