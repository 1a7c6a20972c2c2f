// Which texts share words with a question.
#pragma once

#include <span>
#include <string_view>
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

}  // namespace gist
