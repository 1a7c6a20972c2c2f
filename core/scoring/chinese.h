// LongBench's metrics of Chinese answers, 0 to 1, by characters.
//
// LongBench cuts texts into words with jieba and its dictionary. Here a word is
// one character, or a run of ASCII letters and digits: no dictionary is needed,
// and who answers in other words of the same characters gains. Scores are
// therefore not those of LongBench's tables; docs/evaluation.md has a figure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gist {

// The words of a text, punctuation among them, white space not.
std::vector<std::string> ChineseWords(std::string_view text);

// `word` in lower case (of ASCII and full-width letters), without ASCII and
// Chinese punctuation and without white space. Source: normalize_zh_answer of
// LongBench/metrics.py.
std::string NormalizeChinese(std::string_view word);

// F1 of the words left after normalization. Source: qa_f1_zh_score.
double ChineseF1Score(std::string_view prediction, std::string_view truth);

// RougeLScore of the words. Source: rouge_zh_score.
double ChineseRougeLScore(std::string_view prediction, std::string_view truth);

// CountScore for the number after "段落" in `truth`. Source:
// retrieval_zh_score.
double ChineseRetrievalScore(std::string_view prediction,
                             std::string_view truth);

}  // namespace gist
