#include "core/embed/passages.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace gist {

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

std::vector<size_t> BySimilarity(std::span<const float> query,
                                 std::span<const float> rows) {
  std::vector<size_t> order(rows.size() / query.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t row) {
    return std::inner_product(query.begin(), query.end(),
                              rows.begin() + std::ptrdiff_t(row * query.size()),
                              0.0f);
  });
  return order;
}

}  // namespace gist
