// Which passages are near a question, and those that retrieval found as the
// text that a model reads.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gist {

// Bytes [begin, begin + text.size()) of a document.
struct Passage {
  int document = 0;
  size_t begin = 0;
  std::string_view text;
};

// Between two texts that do not follow each other.
inline constexpr std::string_view kBetweenTexts = "\n\n";

// The passages as they stand in the documents, in order, those that overlap as
// one.
std::string JoinPassages(std::vector<Passage> passages);

struct NearPassage {
  size_t passage = 0;    // index
  float similarity = 0;  // cosine to the question
};

// The rows of `rows` [n, query.size()], the largest inner product with `query`
// first; of equal ones the first row. Looks at all of them.
std::vector<NearPassage> BySimilarity(std::span<const float> query,
                                      std::span<const float> rows);

// Which passages are the best: those nearest to the question as the encoder
// sees it, those that share its words, or the sum of both.
enum class Ranking { kFused, kDense, kLexical };

// Indices of at most `count` passages, the best first. `nearest`: those that
// the encoder finds, the most similar first. `bm25`: of each passage
// (Bm25Scores), not looked at in kDense; a passage that has 0 there and is not
// among the nearest is left out. kFused adds both on one scale, similarities
// from the least to the greatest of `nearest`, BM25 from 0 to its greatest.
// Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
// Retrieval", arXiv:2210.11934.
std::vector<size_t> RankPassages(Ranking ranking,
                                 std::span<const NearPassage> nearest,
                                 std::span<const double> bm25, size_t count);

}  // namespace gist
