#include "core/embed/bm25.h"

#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/embed/bert_classes.h"
#include "core/embed/bert_words.h"

namespace gist {
namespace {

constexpr double kSaturation = 1.2;    // k1
constexpr double kLengthShare = 0.75;  // b

// Of a script whose characters count by twos; Hangul comes decomposed.
bool IsPaired(char32_t c) {
  const bool jamo = 0x1100 <= c && c <= 0x11FF;
  const bool kana = 0x3040 <= c && c <= 0x30FF;
  return jamo || kana || BertClassOf(c) == BertClass::kIdeograph;
}

template <typename Take>  // void(std::u32string)
void ForEachTerm(std::string_view text, const Take& take) {
  std::vector<std::u32string> run;  // paired characters without a gap
  uint32_t run_end = 0;
  const auto end_run = [&] {
    if (run.size() == 1) take(run[0]);
    for (size_t i = 1; i < run.size(); ++i) take(run[i - 1] + run[i]);
    run.clear();
  };
  BertWordReader reader(text);
  while (reader.Next()) {
    std::u32string word;
    const auto end_word = [&] {
      if (!word.empty()) take(std::exchange(word, {}));
    };
    for (const BertChar& c : reader.word()) {
      if (IsPaired(c.code_point)) {
        end_word();
        if (c.begin != run_end && !c.shares) end_run();
        if (!c.shares || run.empty()) run.emplace_back();
        run.back() += c.code_point;
        run_end = c.end;
      } else {
        end_run();
        if (BertClassOf(c.code_point) != BertClass::kPunctuation) {
          word += c.code_point;
        }
      }
    }
    end_word();
  }
  end_run();
}

}  // namespace

std::vector<double> Bm25Scores(std::string_view question,
                               std::span<const std::string_view> texts) {
  std::unordered_map<std::u32string, size_t> wanted;
  ForEachTerm(question, [&](const std::u32string& term) {
    wanted.emplace(term, wanted.size());
  });
  const size_t terms = wanted.size();
  std::vector<double> counts(texts.size() * terms), lengths(texts.size());
  std::vector<double> holders(terms);  // texts that hold the term
  for (size_t i = 0; i < texts.size(); ++i) {
    ForEachTerm(texts[i], [&](const std::u32string& term) {
      ++lengths[i];
      const auto found = wanted.find(term);
      if (found == wanted.end()) return;
      if (counts[i * terms + found->second]++ == 0) ++holders[found->second];
    });
  }
  const double n = double(texts.size());
  const double mean_length =
      std::accumulate(lengths.begin(), lengths.end(), 0.0) / n;
  std::vector<double> scores(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const double length =
        1 - kLengthShare + kLengthShare * lengths[i] / mean_length;
    for (size_t term = 0; term < terms; ++term) {
      const double count = counts[i * terms + term];
      if (count == 0) continue;
      const double weight =
          std::log1p((n - holders[term] + 0.5) / (holders[term] + 0.5));
      scores[i] +=
          weight * count * (kSaturation + 1) / (count + kSaturation * length);
    }
  }
  return scores;
}

}  // namespace gist
