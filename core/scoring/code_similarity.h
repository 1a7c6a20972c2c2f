// How near a line of code is to the right one.
#pragma once

#include <string_view>

namespace gist {

// Twice the code points in matching blocks over those of both texts, 0 to 1; 1
// for two empty ones. Source: SequenceMatcher(None, a, b).ratio() of Python's
// difflib (Ratcliff and Obershelp), its "autojunk" included: code points that
// make up over 1 % of a `b` of 200 or more start no block.
double SequenceRatio(std::string_view a, std::string_view b);

// SequenceRatio of the prediction's first line without "`", "#" and "//", in
// hundredths. Source: code_sim_score of LongBench/metrics.py, whose
// fuzzywuzzy.fuzz.ratio is difflib's where python-Levenshtein is missing, as
// it is from LongBench's requirements.
double CodeSimilarityScore(std::string_view prediction, std::string_view truth);

}  // namespace gist
