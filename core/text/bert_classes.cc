#include "core/text/bert_classes.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "core/text/generated/bert_class_table.h"

namespace gist {
namespace {

constexpr BertClass Find(char32_t code_point) {
  const auto run = std::ranges::lower_bound(kBertClassRuns, code_point, {},
                                            &BertClassRun::last);
  const bool inside =
      run != std::end(kBertClassRuns) && run->first <= code_point;
  return inside ? run->kind : BertClass::kWord;
}

constexpr auto kAscii = [] {
  std::array<BertClass, 0x80> classes = {};
  for (char32_t c = 0; c < classes.size(); ++c) classes[c] = Find(c);
  return classes;
}();

}  // namespace

BertClass BertClassOf(char32_t code_point) {
  return code_point < kAscii.size() ? kAscii[code_point] : Find(code_point);
}

}  // namespace gist
