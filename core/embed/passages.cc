#include "core/embed/passages.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

namespace gist {
namespace {

// Adds the nearest's similarities, the least as 0, the greatest as 1.
void AddSimilarities(std::span<const NearPassage> nearest,
                     std::vector<double>* scores) {
  if (nearest.empty()) return;
  const double most = nearest.front().similarity;
  const double least = nearest.back().similarity;
  for (const auto& [passage, similarity] : nearest) {
    scores->at(passage) +=
        most > least ? (similarity - least) / (most - least) : 1;
  }
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
                                 std::span<const double> bm25) {
  std::vector<size_t> order;
  for (const NearPassage& each : nearest) order.push_back(each.passage);
  if (ranking == Ranking::kDense) return order;
  if (ranking == Ranking::kLexical) order.clear();
  const std::set<size_t> near(order.begin(), order.end());
  for (size_t i = 0; i < bm25.size(); ++i) {
    if (bm25[i] > 0 && !near.contains(i)) order.push_back(i);
  }
  std::vector<double> scores(bm25.begin(), bm25.end());
  if (ranking == Ranking::kFused) {
    double most = 0;
    for (const double score : scores) most = std::max(most, score);
    for (double& score : scores) score /= most > 0 ? most : 1;
    AddSimilarities(nearest, &scores);
  }
  std::ranges::stable_sort(order, std::greater(),
                           [&](size_t i) { return scores[i]; });
  return order;
}

}  // namespace gist
