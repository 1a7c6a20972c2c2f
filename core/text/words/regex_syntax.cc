#include "core/text/words/regex_syntax.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/text/words/code_points.h"
#include "core/text/words/generated/regex_classes.h"
#include "fmt/format.h"

namespace gist {
namespace {

std::optional<std::string_view> ClassNamed(std::string_view name) {
  for (const RegexClass& known : kRegexClasses) {
    if (known.name == name) return known.inside;
  }
  return std::nullopt;
}

std::string HexEscape(char32_t c) {
  return fmt::format("\\x{{{:X}}}", uint32_t(c));
}

// Escapes that stand for one character; 0: none of them.
char32_t ControlEscape(char letter) {
  constexpr std::string_view kLetters = "nrtvfae";
  constexpr std::string_view kCharacters = "\n\r\t\v\f\a\x1B";
  const size_t at = kLetters.find(letter);
  return at == kLetters.npos ? 0 : char32_t(kCharacters[at]);
}

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

class RegexTranslator {
 public:
  explicit RegexTranslator(std::string_view in) : in_(in) {}

  absl::StatusOr<Pcre2Pattern> Run() {
    Stop();
    while (at_ < in_.size()) GIST_RETURN_IF_ERROR(Next());
    return Pcre2Pattern{std::move(out_), repeats_};
  }

 private:
  // A character, or a set of them as it stands inside of a class.
  struct Item {
    std::optional<char32_t> character;
    std::string set;
    bool negated = false;
  };

  bool Sees(std::string_view text) const {
    return in_.substr(at_).starts_with(text);
  }
  bool Take(std::string_view text) {
    if (!Sees(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t TakeCharacter() {
    const char32_t c = CodePointAt(in_, at_);
    at_ = CharEnd(in_, at_);
    return c;
  }
  absl::Status Unsupported(std::string_view what, size_t at) const {
    return absl::UnimplementedError(
        fmt::format("pattern {}: {} at byte {} is not supported", Quoted(in_),
                    Quoted(what), at));
  }
  absl::Status Unended(std::string_view what) const {
    return absl::DataLossError(
        fmt::format("pattern {}: {} does not end", Quoted(in_), what));
  }

  void Stop() { out_ += "(?C)"; }

  absl::Status Next();
  void GroupEnd();
  void Quantifier();
  absl::Status Group();
  absl::Status Interval();
  absl::Status EscapeOutside();
  absl::StatusOr<Item> Escape();
  absl::StatusOr<Item> Property(bool negated);
  absl::StatusOr<char32_t> Hex();
  absl::StatusOr<std::string> Class(bool* negated);
  absl::StatusOr<Item> ClassItem();

  const std::string_view in_;
  size_t at_ = 0;
  int depth_ = 0;
  std::string out_;
  size_t repeats_ = 0;
};

absl::Status RegexTranslator::Next() {
  switch (in_[at_]) {
    case '\\':
      return EscapeOutside();
    case '[': {
      ++at_;
      bool negated = false;
      GIST_ASSIGN_OR_RETURN(const std::string set, Class(&negated));
      out_ += (negated ? "[^" : "[") + set + "]";
      return absl::OkStatus();
    }
    case '(':
      return Group();
    case ')':
      GroupEnd();
      return absl::OkStatus();
    case '*':
    case '+':
    case '?':
      Quantifier();
      return absl::OkStatus();
    case '{':
      return Interval();
    default:
      out_.push_back(in_[at_++]);
      return absl::OkStatus();
  }
}

void RegexTranslator::GroupEnd() {
  out_.push_back(in_[at_++]);
  const bool is_repeated = Sees("*") || Sees("+") || Sees("?") || Sees("{");
  if (!is_repeated) Stop();
}

// With what makes it lazy or possessive.
void RegexTranslator::Quantifier() {
  out_.push_back(in_[at_++]);
  if (Sees("?") || Sees("+")) out_.push_back(in_[at_++]);
  Stop();
}

absl::Status RegexTranslator::Group() {
  const size_t begin = at_++;
  if (Sees("*")) return Unsupported("(*", begin);
  if (!Take("?")) {
    out_ += "(";
    Stop();
    return absl::OkStatus();
  }
  // Elsewhere (?i) also splits the alternatives around it.
  if (begin == 0 && Take("i)")) {
    out_ += "(?i)";
    return absl::OkStatus();
  }
  for (const std::string_view kind :
       {":", "=", "!", ">", "<=", "<!", "i:", "-i:"}) {
    if (!Take(kind)) continue;
    out_.append("(?").append(kind);
    Stop();
    return absl::OkStatus();
  }
  return Unsupported(in_.substr(begin, 4), begin);
}

// {n}, {n,}, {,m} and {n,m}; another brace is a character.
absl::Status RegexTranslator::Interval() {
  const size_t begin = at_++;
  const auto digits = [&] {
    const size_t first = at_;
    while (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9') ++at_;
    return in_.substr(first, at_ - first);
  };
  const std::string_view least = digits();
  const bool comma = Take(",");
  const std::string_view most = comma ? digits() : "";
  if (!Take("}") || (least.empty() && most.empty())) {
    at_ = begin + 1;
    out_ += HexEscape('{');
    return absl::OkStatus();
  }
  // Ruby reads another quantifier here where PCRE2 reads a possessive or lazy
  // one.
  if (Sees("+") || (!comma && Sees("?"))) {
    return Unsupported(in_.substr(begin, at_ + 1 - begin), begin);
  }
  out_ += fmt::format("{{{}{}{}}}", least.empty() ? "0" : least,
                      comma ? "," : "", most);
  if (Take("?")) out_ += '?';
  size_t repeats = 0;
  std::from_chars(least.data(), least.data() + least.size(), repeats);
  repeats_ += repeats;
  Stop();
  return absl::OkStatus();
}

absl::Status RegexTranslator::EscapeOutside() {
  const size_t begin = at_;
  const char letter = begin + 1 < in_.size() ? in_[begin + 1] : '\0';
  if (letter == 'b' || letter == 'B') {
    at_ += 2;
    const std::string word = fmt::format("[{}]", *ClassNamed("w"));
    out_ += letter == 'b'
                ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
    return absl::OkStatus();
  }
  if (letter == 'A' || letter == 'z' || letter == 'Z') {
    out_ += in_.substr(at_, 2);
    at_ += 2;
    return absl::OkStatus();
  }
  GIST_ASSIGN_OR_RETURN(const Item item, Escape());
  if (item.character) {
    out_ += HexEscape(*item.character);
  } else {
    out_ += (item.negated ? "[^" : "[") + item.set + "]";
  }
  return absl::OkStatus();
}

// An escape that a class may hold too.
absl::StatusOr<RegexTranslator::Item> RegexTranslator::Escape() {
  const size_t begin = at_++;
  if (at_ == in_.size()) return Unended("an escape");
  const char letter = in_[at_];
  if (!IsAlphanumeric(letter)) return Item{TakeCharacter(), {}};
  ++at_;
  if (const char32_t c = ControlEscape(letter)) return Item{c, {}};
  switch (letter) {
    case 'p':
    case 'P':
      return Property(letter == 'P');
    case 's':
      return Item{{}, std::string(*ClassNamed("s"))};
    case 'S':
      return Item{{}, std::string(*ClassNamed("NotSpace"))};
    case 'd':
    case 'D':
      return Item{{}, std::string(*ClassNamed("Nd")), letter == 'D'};
    case 'w':
    case 'W':
      return Item{{}, std::string(*ClassNamed("w")), letter == 'W'};
    case 'x':
    case 'u': {
      --at_;
      GIST_ASSIGN_OR_RETURN(const char32_t c, Hex());
      return Item{c, {}};
    }
    default:
      return Unsupported(in_.substr(begin, 2), begin);
  }
}

absl::StatusOr<RegexTranslator::Item> RegexTranslator::Property(bool negated) {
  const size_t begin = at_ - 2;
  const size_t end = in_.find('}', at_);
  if (!Take("{") || end == in_.npos) return Unended("\\p{");
  if (Take("^")) negated = !negated;
  const auto known = ClassNamed(in_.substr(at_, end - at_));
  at_ = end + 1;
  if (!known) return Unsupported(in_.substr(begin, at_ - begin), begin);
  return Item{{}, std::string(*known), negated};
}

// x{H...}, xHH or uHHHH.
absl::StatusOr<char32_t> RegexTranslator::Hex() {
  const size_t begin = at_ - 1;
  const bool is_u = in_[at_++] == 'u';
  const bool braces = !is_u && Take("{");
  const size_t most = braces ? 6 : is_u ? 4 : 2;
  uint32_t value = 0;
  size_t count = 0;
  for (; count < most && at_ < in_.size(); ++count, ++at_) {
    const char c = in_[at_];
    if (!IsAlphanumeric(c) || (c | 0x20) > 'f') break;
    value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (count == 0 || (braces && !Take("}")) || value > 0x10FFFF ||
      (value >= 0xD800 && value < 0xE000)) {
    return Unsupported(in_.substr(begin, at_ - begin), begin);
  }
  return char32_t(value);
}

absl::StatusOr<RegexTranslator::Item> RegexTranslator::ClassItem() {
  const size_t begin = at_;
  if (Sees("&&") || Sees("[:")) return Unsupported(in_.substr(at_, 2), at_);
  Item item;
  if (Take("[")) {
    if (++depth_ > 20) return Unsupported("[", begin);
    GIST_ASSIGN_OR_RETURN(item.set, Class(&item.negated));
    --depth_;
  } else if (Sees("\\b")) {
    at_ += 2;
    item.character = '\b';
  } else if (Sees("\\")) {
    GIST_ASSIGN_OR_RETURN(item, Escape());
  } else {
    item.character = TakeCharacter();
  }
  if (item.negated) {
    return Unsupported(in_.substr(begin, at_ - begin), begin);
  }
  return item;
}

// What is inside of a class up to its ], which is taken.
absl::StatusOr<std::string> RegexTranslator::Class(bool* negated) {
  *negated = Take("^");
  std::string set;
  for (bool first = true; first || !Sees("]"); first = false) {
    if (at_ == in_.size()) return Unended("a class");
    GIST_ASSIGN_OR_RETURN(Item item, ClassItem());
    if (!item.character) {
      set += item.set;
      continue;
    }
    set += HexEscape(*item.character);
    if (!Sees("-") || Sees("-]") || !Take("-")) continue;
    if (at_ == in_.size()) return Unended("a class");
    GIST_ASSIGN_OR_RETURN(item, ClassItem());
    set += item.character ? "-" + HexEscape(*item.character)
                          : HexEscape('-') + item.set;
  }
  ++at_;
  return set;
}

}  // namespace

absl::StatusOr<Pcre2Pattern> ToPcre2(std::string_view pattern) {
  return RegexTranslator(pattern).Run();
}

std::string LiteralPattern(std::string_view text) {
  std::string pattern;
  for (size_t at = 0; at < text.size(); at = CharEnd(text, at)) {
    pattern += HexEscape(CodePointAt(text, at));
  }
  return pattern;
}

}  // namespace gist
