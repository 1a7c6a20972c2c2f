#include "core/retrieval/passages.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

namespace gist {
namespace {

// The sum of both: BM25 with its greatest as 1, and the nearest's similarities,
// the least as 0 and the greatest as 1.
std::vector<double> Sum(std::span<const NearPassage> nearest,
                        std::span<const double> bm25) {
  std::vector<double> sum(bm25.begin(), bm25.end());
  const auto most_bm25 = std::ranges::max_element(bm25);
  if (most_bm25 != bm25.end() && *most_bm25 > 0) {
    for (double& score : sum) score /= *most_bm25;
  }
  for (const auto& [passage, similarity] : nearest) {
    const double most = nearest.front().similarity;
    const double least = nearest.back().similarity;
    sum.at(passage) += most > least ? (similarity - least) / (most - least) : 1;
  }
  return sum;
}

}  // namespace

std::string JoinPassages(std::vector<Passage> passages) {
  std::ranges::sort(passages, [](const Passage& a, const Passage& b) {
    return std::pair(a.document, a.begin) < std::pair(b.document, b.begin);
  });
  std::string joined;
  int document = -1;
  size_t end = 0;  // of what is joined, in `document`
  for (const Passage& passage : passages) {
    const bool goes_on = passage.document == document && passage.begin <= end;
    const size_t passage_end = passage.begin + passage.text.size();
    if (!goes_on) {
      if (!joined.empty()) joined += kBetweenTexts;
      joined += passage.text;
    } else if (passage_end > end) {
      joined += passage.text.substr(end - passage.begin);
    }
    end = goes_on ? std::max(end, passage_end) : passage_end;
    document = passage.document;
  }
  return joined;
}

std::vector<NearPassage> BySimilarity(std::span<const float> query,
                                      std::span<const float> rows) {
  std::vector<NearPassage> order;
  for (size_t row = 0; row < rows.size(); row += query.size()) {
    order.push_back(
        {order.size(),
         std::inner_product(query.begin(), query.end(),
                            rows.begin() + std::ptrdiff_t(row), 0.0f)});
  }
  std::ranges::stable_sort(order, std::greater(), &NearPassage::similarity);
  return order;
}

std::vector<size_t> RankPassages(Ranking ranking,
                                 std::span<const NearPassage> nearest,
                                 std::span<const double> bm25, size_t count) {
  std::vector<size_t> order;
  if (ranking != Ranking::kLexical) {
    for (const NearPassage& each : nearest) order.push_back(each.passage);
  }
  if (ranking != Ranking::kDense) {
    const std::set<size_t> near(order.begin(), order.end());
    for (size_t i = 0; i < bm25.size(); ++i) {
      if (bm25[i] > 0 && !near.contains(i)) order.push_back(i);
    }
    const std::vector<double> scores =
        Sum(ranking == Ranking::kFused ? nearest : nearest.first(0), bm25);
    std::ranges::stable_sort(order, std::greater(),
                             [&](size_t i) { return scores[i]; });
  }
  order.resize(std::min(order.size(), count));
  return order;
}

}  // namespace gist
