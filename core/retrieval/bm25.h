// Which texts share words with a question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gist {

// One number for each text: how much its words are the question's, BM25 with
// k1 = 1.2 and b = 0.75 over these texts alone; 0: they share none. Words are
// BERT's (lower case, no accents) without punctuation; of Hangul, kana and
// ideographs each two characters in a row count as one, since words there carry
// endings, or no spaces. All UTF-8. Time grows linearly with the texts.
//
// Sources: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25
// and Beyond", 2009; a word's weight as in Lucene, never negative.
std::vector<double> Bm25Scores(std::string_view question,
                               std::span<const std::string_view> texts);

// The same over many texts that stay, come and go: a question costs what texts
// share its words, not what there are. Terms are kept as hashes of 64 bits.
class Bm25Index {
 public:
  // `label` is not there yet.
  void Add(uint64_t label, std::string_view text);
  void Remove(uint64_t label);  // nothing where it is not there

  struct Match {
    uint64_t label = 0;
    double score = 0;
  };
  // All texts that share a word, the best first; of equal ones the first label.
  std::vector<Match> Search(std::string_view question) const;

  bool Holds(uint64_t label) const { return texts_.contains(label); }
  size_t size() const { return texts_.size(); }
  int64_t memory_bytes() const;  // about

 private:
  struct Posting {
    uint32_t place = 0;  // of the text
    uint32_t count = 0;
  };
  struct Text {
    uint64_t label = 0;
    double length = 0;            // in terms
    std::vector<uint32_t> terms;  // numbers
  };

  std::unordered_map<size_t, uint32_t> numbers_;  // of a term's hash
  std::vector<std::vector<Posting>> postings_;    // of each number
  std::unordered_map<uint64_t, uint32_t> texts_;  // label -> place
  std::vector<Text> places_;
  std::vector<uint32_t> free_places_;
  double total_length_ = 0;
  int64_t postings_count_ = 0;
};

}  // namespace gist
