#include "core/embed/passages.h"

#include <algorithm>
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

}  // namespace gist
