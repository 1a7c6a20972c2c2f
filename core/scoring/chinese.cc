#include "core/scoring/chinese.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/scoring/metrics.h"

namespace gist {
namespace {

constexpr std::string_view kPunctuation =
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、"
    "〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.";

// The first character, in all its bytes; `text` is not empty.
std::string_view FirstCharacter(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && (text[bytes] & 0xc0) == 0x80) ++bytes;
  return text.substr(0, bytes);
}

bool IsAsciiWord(std::string_view character) {
  return std::isalnum(static_cast<unsigned char>(character[0])) != 0 &&
         static_cast<unsigned char>(character[0]) < 0x80;
}

// ASCII's, the no-break space, U+2000 to U+200A and U+3000.
bool IsSpace(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x80) return std::isspace(first) != 0;
  if (character == "\xc2\xa0" || character == "\xe3\x80\x80") return true;
  return character.size() == 3 && character.starts_with("\xe2\x80") &&
         static_cast<unsigned char>(character[2]) <= 0x8a;
}

bool IsPunctuation(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x80) return std::ispunct(first) != 0;
  return kPunctuation.find(character) != kPunctuation.npos;
}

// ASCII, and U+FF21 to U+FF3A.
std::string LowerCharacter(std::string_view character) {
  std::string lower(character);
  const auto last = static_cast<unsigned char>(lower.back());
  if (lower.size() == 1 && last < 0x80) {
    lower[0] = char(std::tolower(last));
  } else if (lower.starts_with("\xef\xbc") && last >= 0xa1 && last <= 0xba) {
    // U+FF41 is EF BD 81.
    lower[1] = '\xbd';
    lower[2] = char(last - 0x20);
  }
  return lower;
}

std::string Spaced(std::string_view text) {
  std::string spaced;
  for (const std::string& word : ChineseWords(text)) {
    spaced += (spaced.empty() ? "" : " ") + word;
  }
  return spaced;
}

std::vector<std::string> NormalizedWords(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string& word : ChineseWords(text)) {
    std::string normalized = NormalizeChinese(word);
    if (!normalized.empty()) words.push_back(std::move(normalized));
  }
  return words;
}

}  // namespace

std::vector<std::string> ChineseWords(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  while (!text.empty()) {
    const std::string_view character = FirstCharacter(text);
    text.remove_prefix(character.size());
    const bool ascii = IsAsciiWord(character);
    if (ascii && in_word) {
      words.back() += character;
    } else if (!IsSpace(character)) {
      words.emplace_back(character);
    }
    in_word = ascii;
  }
  return words;
}

std::string NormalizeChinese(std::string_view word) {
  std::string normalized;
  while (!word.empty()) {
    const std::string_view character = FirstCharacter(word);
    word.remove_prefix(character.size());
    if (IsSpace(character) || IsPunctuation(character)) continue;
    normalized += LowerCharacter(character);
  }
  return normalized;
}

double ChineseF1Score(std::string_view prediction, std::string_view truth) {
  return WordF1(NormalizedWords(prediction), NormalizedWords(truth));
}

double ChineseRougeLScore(std::string_view prediction, std::string_view truth) {
  return RougeLScore(Spaced(prediction), Spaced(truth));
}

double ChineseRetrievalScore(std::string_view prediction,
                             std::string_view truth) {
  return MarkedNumberScore(prediction, truth, "段落");
}

}  // namespace gist
