#include "core/retrieval/bm25.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "core/text/bert_classes.h"
#include "core/text/bert_words.h"

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

// Of `texts` texts, `holders` hold the term, which this one has `count` times;
// `length`: of the mean of all.
double Part(double texts, double holders, double count, double length) {
  const double weight = std::log1p((texts - holders + 0.5) / (holders + 0.5));
  const double shortening = 1 - kLengthShare + kLengthShare * length;
  return weight * count * (kSaturation + 1) /
         (count + kSaturation * shortening);
}

size_t HashOf(const std::u32string& term) {
  return std::hash<std::u32string>()(term);
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
    scores[text] += Part(n, holders[term], count, lengths[text] / mean_length);
  }
  return scores;
}

void Bm25Index::Add(uint64_t label, std::string_view text) {
  uint32_t place = uint32_t(places_.size());
  if (free_places_.empty()) {
    places_.emplace_back();
  } else {
    place = free_places_.back();
    free_places_.pop_back();
  }
  texts_.emplace(label, place);
  Text& its = places_[place];
  its.label = label;
  ForEachTerm(text, [&](const std::u32string& term) {
    ++its.length;
    const uint32_t number =
        numbers_.try_emplace(HashOf(term), uint32_t(postings_.size()))
            .first->second;
    if (number == postings_.size()) postings_.emplace_back();
    std::vector<Posting>& postings = postings_[number];
    if (postings.empty() || postings.back().place != place) {
      postings.push_back({.place = place});
      its.terms.push_back(number);
    }
    ++postings.back().count;
  });
  its.terms.shrink_to_fit();
  total_length_ += its.length;
  postings_count_ += std::ssize(its.terms);
}

void Bm25Index::Remove(uint64_t label) {
  const auto found = texts_.find(label);
  if (found == texts_.end()) return;
  const uint32_t place = found->second;
  texts_.erase(found);
  Text text = std::exchange(places_[place], {});
  for (const uint32_t number : text.terms) {
    std::erase_if(postings_[number], [&](const Posting& posting) {
      return posting.place == place;
    });
  }
  total_length_ -= text.length;
  postings_count_ -= std::ssize(text.terms);
  free_places_.push_back(place);
}

std::vector<Bm25Index::Match> Bm25Index::Search(
    std::string_view question) const {
  std::vector<uint32_t> wanted;
  ForEachTerm(question, [&](const std::u32string& term) {
    const auto number = numbers_.find(HashOf(term));
    if (number != numbers_.end()) wanted.push_back(number->second);
  });
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const double n = double(texts_.size()), mean_length = total_length_ / n;
  std::unordered_map<uint32_t, double> scores;  // of places
  for (const uint32_t number : wanted) {
    const std::vector<Posting>& postings = postings_[number];
    for (const auto& [place, count] : postings) {
      scores[place] += Part(n, double(postings.size()), count,
                            places_[place].length / mean_length);
    }
  }
  std::vector<Match> matches;
  for (const auto& [place, score] : scores)
    matches.push_back({places_[place].label, score});
  std::ranges::sort(matches, [](const Match& a, const Match& b) {
    return a.score != b.score ? a.score > b.score : a.label < b.label;
  });
  return matches;
}

// Postings grow by half of what they need, about.
int64_t Bm25Index::memory_bytes() const {
  constexpr int64_t kTermBytes = 56, kTextBytes = 96;
  return postings_count_ * int64_t(sizeof(Posting) * 3 / 2 + sizeof(uint32_t)) +
         std::ssize(postings_) * kTermBytes + std::ssize(places_) * kTextBytes;
}

}  // namespace gist
