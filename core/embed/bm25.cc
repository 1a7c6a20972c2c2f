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
  std::unordered_map<std::u32string, size_t> wanted;  // by number
  ForEachTerm(question, [&](const std::u32string& term) {
    wanted.emplace(term, wanted.size());
  });
  // What a text has of the question; no table, which long questions over many
  // texts would make large.
  struct Posting {
    size_t text = 0;
    size_t term = 0;
    double count = 0;
  };
  std::vector<Posting> postings;
  std::vector<double> lengths(texts.size());
  std::vector<double> holders(wanted.size());  // texts that hold the term
  std::vector<size_t> latest(wanted.size());   // its latest posting, plus 1
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t first = postings.size();
    ForEachTerm(texts[i], [&](const std::u32string& term) {
      ++lengths[i];
      const auto found = wanted.find(term);
      if (found == wanted.end()) return;
      size_t& posting = latest[found->second];
      if (posting <= first) {
        ++holders[found->second];
        postings.push_back({.text = i, .term = found->second});
        posting = postings.size();
      }
      ++postings[posting - 1].count;
    });
  }
  const double n = double(texts.size());
  const double mean_length =
      std::accumulate(lengths.begin(), lengths.end(), 0.0) / n;
  std::vector<double> scores(texts.size());
  for (const auto& [text, term, count] : postings) {
    const double weight =
        std::log1p((n - holders[term] + 0.5) / (holders[term] + 0.5));
    const double length =
        1 - kLengthShare + kLengthShare * lengths[text] / mean_length;
    scores[text] +=
        weight * count * (kSaturation + 1) / (count + kSaturation * length);
  }
  return scores;
}

}  // namespace gist
