#include "core/data/passages.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/base/utf8.h"

namespace gist {
namespace {

constexpr size_t kLeastBytes = 20;
constexpr size_t kMostBytes = 400;
constexpr double kLeastLetters =
    0.7;  // letters and spaces among all characters

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

// `text` without space at its ends and with single spaces within.
std::string Folded(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (!IsSpace(c)) {
      folded += c;
    } else if (!folded.empty() && folded.back() != ' ') {
      folded += ' ';
    }
  }
  if (folded.ends_with(' ')) folded.pop_back();
  return folded;
}

void AddParagraph(std::string_view text, std::vector<std::string>* paragraphs) {
  std::string folded = Folded(text);
  if (!folded.empty() && FirstInvalidUtf8(folded) == folded.size()) {
    paragraphs->push_back(std::move(folded));
  }
}

// The next line with its end removed from `text`.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

// Calls block(text) for each run of lines that `is_border` does not hold for.
template <typename IsBorder, typename Block>
void ForEachBlock(std::string_view text, IsBorder is_border, Block block) {
  std::string lines;
  while (!text.empty()) {
    const std::string_view line = TakeLine(&text);
    if (!is_border(line)) {
      lines.append(line) += '\n';
      continue;
    }
    if (!lines.empty()) block(lines);
    lines.clear();
  }
  if (!lines.empty()) block(lines);
}

bool IsBlank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), IsSpace);
}

// Perl's "C<text>" and "L<text|target>" as their text; "B<< text >>" too.
// Source: perlpod.
class PodText {
 public:
  explicit PodText(std::string_view pod) : pod_(pod) { Read(0, 0); }
  const std::string& text() const { return text_; }

 private:
  // Reads up to the closing run of `angles` brackets, or to the end for 0.
  void Read(size_t angles, int depth) {
    while (at_ < pod_.size()) {
      if (angles > 0 &&
          pod_.substr(at_).starts_with(std::string(angles, '>'))) {
        at_ += angles;
        return;
      }
      const size_t open = OpeningAngles();
      if (open > 0 && depth < kMostCodes) {
        ReadCode(open, depth);
      } else {
        text_ += pod_[at_++];
      }
    }
  }

  // Of a formatting code at `at_`; 0 if there is none.
  size_t OpeningAngles() const {
    if (std::string_view("BCEFILSXZ").find(pod_[at_]) == pod_.npos) return 0;
    const size_t end =
        std::min(pod_.find_first_not_of('<', at_ + 1), pod_.size());
    return end - at_ - 1;
  }

  void ReadCode(size_t angles, int depth) {
    const char code = pod_[at_];
    const size_t start = text_.size();
    at_ += 1 + angles;
    Read(angles, depth + 1);
    if (code == 'X' || code == 'Z' || code == 'E') text_.resize(start);
    if (code != 'L') return;
    const size_t bar = text_.find('|', start);
    if (bar != text_.npos) text_.resize(bar);
  }

  static constexpr int kMostCodes = 16;  // within each other; beyond: as text

  std::string_view pod_;
  size_t at_ = 0;
  std::string text_;
};

std::vector<std::string> PodParagraphs(std::string_view bytes) {
  std::vector<std::string> paragraphs;
  bool in_pod = false;
  const auto add = [&](std::string_view block) {
    if (block.starts_with('=')) {
      const std::string_view command =
          block.substr(1, block.find_first_of(" \n") - 1);
      in_pod = command != "cut" && command != "begin" && command != "for";
    } else if (in_pod && !IsSpace(block.front())) {
      AddParagraph(PodText(block).text(), &paragraphs);
    }
  };
  ForEachBlock(bytes, IsBlank, add);
  return paragraphs;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = char(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

void AppendEntity(std::string_view name, std::string* text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6>
      kKnown = {{{"amp", "&"},
                 {"lt", "<"},
                 {"gt", ">"},
                 {"quot", "\""},
                 {"#39", "'"},
                 {"nbsp", " "}}};
  for (const auto& [known, character] : kKnown) {
    if (name == known) text->append(character);
  }
}

// What a browser would show of the pieces between block-level tags.
class HtmlText {
 public:
  explicit HtmlText(std::string_view html) : html_(html) {
    while (at_ < html_.size()) Next();
    AddParagraph(text_, &paragraphs_);
  }
  std::vector<std::string> Take() { return std::move(paragraphs_); }

 private:
  void Next() {
    const char c = html_[at_];
    if (c == '<') return Tag();
    const size_t end = html_.find(';', at_);
    if (c == '&' && end != html_.npos && end - at_ <= 8) {
      AppendEntity(html_.substr(at_ + 1, end - at_ - 1), &text_);
      at_ = end + 1;
      return;
    }
    text_ += c;
    ++at_;
  }

  void Tag() {
    const size_t end = std::min(html_.find('>', at_), html_.size());
    const std::string tag = Lower(html_.substr(at_ + 1, end - at_ - 1));
    at_ = std::min(end + 1, html_.size());
    const std::string name = tag.substr(0, tag.find_first_of(" \n\t/", 1));
    if (Hides(tag, name)) {
      const size_t close = html_.find("</" + name, at_);
      const size_t gone = html_.find('>', close);
      at_ = gone == html_.npos ? html_.size() : gone + 1;
    } else if (!IsInline(name)) {
      AddParagraph(text_, &paragraphs_);
      text_.clear();
    }
  }

  static bool Hides(const std::string& tag, const std::string& name) {
    return name == "script" || name == "style" || name == "pre" ||
           name == "head" || name == "code" || name == "footer" ||
           (name == "span" && tag.find("hidden") != tag.npos);
  }

  static bool IsInline(std::string_view name) {
    if (name.starts_with('/')) name.remove_prefix(1);
    return name == "span" || name == "a" || name == "b" || name == "i" ||
           name == "em" || name == "strong" || name == "sup" || name == "sub";
  }

  std::string_view html_;
  size_t at_ = 0;
  std::string text_;
  std::vector<std::string> paragraphs_;
};

// Characters of a text by kind.
struct Census {
  size_t hangul = 0, latin = 0, other_letters = 0, spaces = 0, all = 0;
};

Census Count(std::string_view text) {
  Census census;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) == 0x80) continue;  // counted with its first byte
    ++census.all;
    if (std::isalpha(byte)) ++census.latin;
    if (byte == ' ') ++census.spaces;
    // U+A000 to U+DFFF: Hangul and little else. U+2000 to U+2FFF: punctuation.
    if (byte >= 0xea && byte <= 0xed)
      ++census.hangul;
    else if (byte >= 0xc3 && byte != 0xe2)
      ++census.other_letters;
  }
  return census;
}

// Passkeys and their like, in filler, would make the text contradict a needle.
bool MentionsNeedle(std::string_view sentence) {
  constexpr std::string_view kWords[] = {
      "passkey",     "pass key",    "password",   "passphrase", "passcode",
      "secret code", "access code", "magic word", "패스키",     "암호",
      "비밀번호",    "비밀 번호",   "비밀 코드",  "출입 코드"};
  const std::string lower = Lower(sentence);
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](auto word) { return lower.find(word) != lower.npos; });
}

bool IsProse(std::string_view sentence) {
  if (sentence.size() < kLeastBytes || sentence.size() > kMostBytes)
    return false;
  if (sentence.find_first_of("{}<>|\\=$@_;`~^*#[]\"") != sentence.npos)
    return false;
  if (sentence.find("::") != sentence.npos ||
      sentence.find("()") != sentence.npos)
    return false;
  if (sentence.find("...") != sentence.npos) return false;
  const Census census = Count(sentence);
  const size_t letters =
      census.hangul + census.latin + census.other_letters + census.spaces;
  return double(letters) >= kLeastLetters * double(census.all) &&
         census.spaces >= 2 && census.spaces * 3 < census.all;
}

// A sentence of `language` begins as one, "the rest of it" does not.
bool BeginsWell(std::string_view sentence, std::string_view language) {
  const auto first = static_cast<unsigned char>(sentence.front());
  return language == "ko" ? first >= 0x80 || std::isalnum(first)
                          : std::isupper(first) != 0;
}

// Offset of the space after the first sentence of `text`, or its size.
size_t SentenceEnd(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i + 1] != ' ' ||
        std::string_view(".!?").find(text[i]) == text.npos)
      continue;
    const bool more = i + 2 < text.size();
    const char next = more ? text[i + 2] : 'A';
    // Not after "e.g." or "Mr.", nor within "No. 5".
    const size_t space = text.rfind(' ', i);
    const size_t word = space == text.npos ? 0 : space + 1;
    const std::string_view last = text.substr(word, i - word);
    const bool abbreviation =
        text[i] == '.' && (last.size() < 2 || last.find('.') != last.npos ||
                           last == "Mr" || last == "Mrs" || last == "Dr" ||
                           last == "St" || last == "vs" || last == "etc");
    if (!abbreviation && !std::islower(static_cast<unsigned char>(next)))
      return i + 1;
  }
  return text.size();
}

}  // namespace

TextFormat FormatOf(std::string_view path) {
  if (path.ends_with(".pod") || path.ends_with(".pm")) return TextFormat::kPod;
  if (path.ends_with(".html") || path.ends_with(".htm"))
    return TextFormat::kHtml;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const bool fortune =
      path.find("fortunes/") != path.npos && name.find('.') == name.npos;
  return fortune ? TextFormat::kFortune : TextFormat::kPlain;
}

std::vector<std::string> Paragraphs(std::string_view bytes, TextFormat format) {
  if (format == TextFormat::kPod) return PodParagraphs(bytes);
  if (format == TextFormat::kHtml) return HtmlText(bytes).Take();
  std::vector<std::string> paragraphs;
  const auto is_border = [&](std::string_view line) {
    return format == TextFormat::kFortune ? line == "%" : IsBlank(line);
  };
  ForEachBlock(bytes, is_border, [&](std::string_view block) {
    AddParagraph(block, &paragraphs);
  });
  return paragraphs;
}

std::string_view LanguageOf(std::string_view text) {
  const Census census = Count(text);
  const size_t letters = census.hangul + census.latin + census.other_letters;
  if (letters == 0) return "";
  if (census.hangul * 2 >= letters) return "ko";
  return census.latin * 50 >= letters * 49 ? "en" : "";
}

std::vector<std::string> Sentences(std::string_view paragraph,
                                   std::string_view language) {
  std::vector<std::string> sentences;
  while (!paragraph.empty()) {
    const size_t end = SentenceEnd(paragraph);
    const std::string_view sentence = paragraph.substr(0, end);
    if (MentionsNeedle(sentence)) return {};
    const bool ended =
        std::string_view(".!?").find(sentence.back()) != paragraph.npos;
    if (ended && BeginsWell(sentence, language) && IsProse(sentence) &&
        LanguageOf(sentence) == language) {
      sentences.emplace_back(sentence);
    }
    paragraph.remove_prefix(std::min(end + 1, paragraph.size()));
  }
  return sentences;
}

}  // namespace gist
