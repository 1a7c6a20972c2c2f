// How right an answer is, 0 to 1. Texts are UTF-8.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gist {

// Lower case (of ASCII and Latin-1), without ASCII punctuation and English
// articles, single spaces. Source: normalize_answer of LongBench/metrics.py,
// which is SQuAD's (Rajpurkar et al. 2016, arXiv:1606.05250).
std::string NormalizeAnswer(std::string_view text);

// Equal once normalized; and: the normalized truth stands in the prediction.
double ExactScore(std::string_view prediction, std::string_view truth);
double ContainmentScore(std::string_view prediction, std::string_view truth);

// F1 of the normalized words, with their counts. Source: qa_f1_score of
// LongBench/metrics.py.
double F1Score(std::string_view prediction, std::string_view truth);

// F1 of two bags of words. Source: f1_score of LongBench/metrics.py.
double WordF1(const std::vector<std::string>& predicted,
              const std::vector<std::string>& wanted);

// Summary-level ROUGE-L, F measure, as the package rouge 1.0.1 from PyPI has
// it: sentences end at full stops, words are sets. Source: Lin 2004,
// aclanthology.org/W04-1013; rouge_l_summary_level of rouge/rouge_score.py.
double RougeLScore(std::string_view prediction, std::string_view truth);

// One over the number of classes that the prediction names, if the right one is
// among them. Source: classification_score of LongBench/metrics.py, with its
// way to drop classes that are part of the right one's name.
double ClassificationScore(std::string_view prediction, std::string_view truth,
                           std::span<const std::string> classes);

// Share of the numbers in the prediction that are `truth`. Source: count_score.
double CountScore(std::string_view prediction, std::string_view truth);
// The same for the number after "Paragraph " in `truth`. Source:
// retrieval_score.
double RetrievalScore(std::string_view prediction, std::string_view truth);
// The same after another mark than "Paragraph ".
double MarkedNumberScore(std::string_view prediction, std::string_view truth,
                         std::string_view mark);

struct Interval {
  double low = 0;
  double high = 0;
};

// 95 % interval of a proportion. Source: Wilson 1927,
// doi:10.1080/01621459.1927.10502953. {0, 1} for total 0.
Interval WilsonInterval(int64_t successes, int64_t total);

// 95 % interval of the mean of `scores`, from the percentiles of `resamples`
// means of as many draws with replacement. Source: Efron 1979,
// doi:10.1214/aos/1176344552. {0, 1} for no scores.
Interval BootstrapInterval(std::span<const double> scores, int resamples,
                           uint64_t seed);

}  // namespace gist
