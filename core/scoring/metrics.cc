#include "core/scoring/metrics.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/base/random.h"

namespace gist {
namespace {

using Words = std::vector<std::string>;

bool IsAscii(char c, int (*is_kind)(int)) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x80 && is_kind(byte) != 0;
}

// Bytes of the white space that `text` begins with; 0: none. ASCII's, the
// no-break space and U+2000 to U+200A, U+3000.
size_t SpaceAt(std::string_view text) {
  if (IsAscii(text[0], std::isspace)) return 1;
  if (text.starts_with("\xc2\xa0")) return 2;
  if (text.starts_with("\xe3\x80\x80")) return 3;
  const bool wide = text.size() >= 3 && text.starts_with("\xe2\x80") &&
                    static_cast<unsigned char>(text[2]) <= 0x8a;
  return wide ? 3 : 0;
}

Words SplitAtSpace(std::string_view text) {
  Words words;
  std::string word;
  while (!text.empty()) {
    const size_t space = SpaceAt(text);
    if (space == 0) {
      word += text.front();
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
    text.remove_prefix(std::max<size_t>(space, 1));
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string Join(const Words& words) {
  std::string joined;
  for (const std::string& word : words) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

// Of ASCII and of U+00C0 to U+00DE but for the multiplication sign.
std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (size_t i = 0; i < lower.size(); ++i) {
    const auto byte = static_cast<unsigned char>(lower[i]);
    const bool after_c3 = i > 0 && lower[i - 1] == '\xc3';
    if (after_c3 && byte >= 0x80 && byte <= 0x9e && byte != 0x97) {
      lower[i] = char(byte + 0x20);
    } else if (byte < 0x80) {
      lower[i] = char(std::tolower(byte));
    }
  }
  return lower;
}

std::string WithoutPunctuation(std::string_view text) {
  std::string kept;
  for (const char c : text) {
    if (!IsAscii(c, std::ispunct)) kept += c;
  }
  return kept;
}

// Bytes of the word character at the start of `text`; 0: it is none. Letters
// and digits of ASCII, and what is beyond it but for the punctuation of U+00A0
// to U+00BF, U+2000 to U+206F and U+3000 to U+303F.
bool IsWordAt(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  if (IsAscii(text[at], std::isalnum)) return true;
  while (at > 0 && (text[at] & 0xc0) == 0x80) --at;
  if (static_cast<unsigned char>(text[at]) < 0x80) return false;
  const std::string_view rest = text.substr(at);
  return !rest.starts_with("\xc2") && !rest.starts_with("\xe2\x80") &&
         !rest.starts_with("\xe2\x81") && !rest.starts_with("\xe3\x80");
}

// Each article that no word character touches, as a space.
std::string WithoutArticles(std::string_view text) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    size_t skipped = 0;
    for (const std::string_view article : {"a", "an", "the"}) {
      if (text.substr(at).starts_with(article) &&
          !IsWordAt(text, at + article.size()) &&
          (at == 0 || !IsWordAt(text, at - 1))) {
        skipped = article.size();
      }
    }
    kept += skipped > 0 ? ' ' : text[at];
    at += std::max<size_t>(skipped, 1);
  }
  return kept;
}

// The sentences of a text as words; an empty sentence is one empty word.
std::vector<Words> RougeSentences(std::string_view text) {
  std::vector<Words> sentences;
  while (true) {
    const size_t stop = text.find('.');
    const std::string_view sentence = text.substr(0, stop);
    if (!sentence.empty()) {
      sentences.push_back(SplitAtSpace(sentence));
      if (sentences.back().empty()) sentences.back().emplace_back();
    }
    if (stop == text.npos) return sentences;
    text.remove_prefix(stop + 1);
  }
}

// Words of a longest common subsequence, the one that rouge finds.
std::set<std::string> CommonWords(const Words& x, const Words& y) {
  const size_t columns = y.size() + 1;
  std::vector<int> table((x.size() + 1) * columns, 0);
  const auto at = [&](size_t i, size_t j) -> int& {
    return table[i * columns + j];
  };
  for (size_t i = 1; i <= x.size(); ++i) {
    for (size_t j = 1; j <= y.size(); ++j) {
      at(i, j) = x[i - 1] == y[j - 1] ? at(i - 1, j - 1) + 1
                                      : std::max(at(i - 1, j), at(i, j - 1));
    }
  }
  std::set<std::string> words;
  for (size_t i = x.size(), j = y.size(); i > 0 && j > 0;) {
    if (x[i - 1] == y[j - 1]) {
      words.insert(x[i - 1]);
      --i;
      --j;
    } else if (at(i - 1, j) > at(i, j - 1)) {
      --i;
    } else {
      --j;
    }
  }
  return words;
}

std::set<std::string> AllWords(const std::vector<Words>& sentences) {
  std::set<std::string> all;
  for (const Words& words : sentences) all.insert(words.begin(), words.end());
  return all;
}

std::vector<std::string> Numbers(std::string_view text) {
  std::vector<std::string> numbers;
  bool inside = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !inside) numbers.emplace_back();
    if (digit) numbers.back() += c;
    inside = digit;
  }
  return numbers;
}

}  // namespace

std::string NormalizeAnswer(std::string_view text) {
  return Join(
      SplitAtSpace(WithoutArticles(WithoutPunctuation(LowerCase(text)))));
}

double ExactScore(std::string_view prediction, std::string_view truth) {
  return NormalizeAnswer(prediction) == NormalizeAnswer(truth) ? 1 : 0;
}

double ContainmentScore(std::string_view prediction, std::string_view truth) {
  const std::string wanted = NormalizeAnswer(truth);
  return NormalizeAnswer(prediction).find(wanted) != std::string::npos ? 1 : 0;
}

double F1Score(std::string_view prediction, std::string_view truth) {
  return WordF1(SplitAtSpace(NormalizeAnswer(prediction)),
                SplitAtSpace(NormalizeAnswer(truth)));
}

double WordF1(const Words& predicted, const Words& wanted) {
  std::map<std::string, int> left;
  for (const std::string& word : wanted) ++left[word];
  int same = 0;
  for (const std::string& word : predicted) same += left[word]-- > 0;
  if (same == 0) return 0;
  const double precision = double(same) / double(predicted.size());
  const double recall = double(same) / double(wanted.size());
  return 2 * precision * recall / (precision + recall);
}

double RougeLScore(std::string_view prediction, std::string_view truth) {
  const std::vector<Words> predicted = RougeSentences(prediction);
  const std::vector<Words> wanted = RougeSentences(truth);
  if (predicted.empty() || wanted.empty()) return 0;
  std::set<std::string> common;
  for (const Words& reference : wanted) {
    for (const Words& sentence : predicted) {
      common.merge(CommonWords(reference, sentence));
    }
  }
  const double recall = double(common.size()) / double(AllWords(wanted).size());
  const double precision =
      double(common.size()) / double(AllWords(predicted).size());
  return 2 * (precision * recall / (precision + recall + 1e-8));
}

double ClassificationScore(std::string_view prediction, std::string_view truth,
                           std::span<const std::string> classes) {
  std::vector<std::string_view> named;
  for (const std::string& name : classes) {
    if (prediction.find(name) != prediction.npos) named.push_back(name);
  }
  // As the original does while it walks over the list: the name after one that
  // is dropped is not looked at; and the first equal name is what is dropped.
  for (size_t i = 0; i < named.size(); ++i) {
    if (truth.find(named[i]) != truth.npos && named[i] != truth) {
      named.erase(std::find(named.begin(), named.end(), named[i]));
    }
  }
  const bool right =
      std::find(named.begin(), named.end(), truth) != named.end();
  return right ? 1.0 / double(named.size()) : 0;
}

double CountScore(std::string_view prediction, std::string_view truth) {
  const std::vector<std::string> numbers = Numbers(prediction);
  if (numbers.empty()) return 0;
  const auto right = std::count(numbers.begin(), numbers.end(), truth);
  return double(right) / double(numbers.size());
}

double RetrievalScore(std::string_view prediction, std::string_view truth) {
  return MarkedNumberScore(prediction, truth, "Paragraph ");
}

double MarkedNumberScore(std::string_view prediction, std::string_view truth,
                         std::string_view mark) {
  for (size_t at = truth.find(mark); at != truth.npos;
       at = truth.find(mark, at + 1)) {
    const std::string_view rest = truth.substr(at + mark.size());
    const size_t digits =
        std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits > 0) return CountScore(prediction, rest.substr(0, digits));
  }
  return 0;
}

Interval WilsonInterval(int64_t successes, int64_t total) {
  if (total <= 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // 97.5 % of a normal distribution
  const double n = double(total);
  const double share = double(successes) / n;
  const double scale = 1 + kZ * kZ / n;
  const double centre = (share + kZ * kZ / (2 * n)) / scale;
  const double half =
      kZ / scale * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Interval BootstrapInterval(std::span<const double> scores, int resamples,
                           uint64_t seed) {
  if (scores.empty() || resamples <= 0) return {0, 1};
  Rng rng(seed);
  std::vector<double> means;
  for (int i = 0; i < resamples; ++i) {
    double sum = 0;
    for (size_t j = 0; j < scores.size(); ++j) sum += rng.Pick(scores);
    means.push_back(sum / double(scores.size()));
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double share) {
    return means[size_t(std::lround(share * double(means.size() - 1)))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace gist
