#include "server/serving/verdict.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "core/scoring/metrics.h"

namespace gist {
namespace {

// As NormalizeAnswer leaves the answers of core/data/niah_tasks.cc.
constexpr std::string_view kAbsent[] = {"not mentioned", "언급되지 않았습니다"};
constexpr std::string_view kSentenceEnds = ".!?\n";

}  // namespace

bool IsAbsentAnswer(std::string_view answer) {
  const size_t begin = answer.find_first_not_of(" \t\r\n");
  if (begin == answer.npos) return false;
  answer.remove_prefix(begin);
  const std::string first =
      NormalizeAnswer(answer.substr(0, answer.find_first_of(kSentenceEnds)));
  return std::ranges::find(kAbsent, first) != std::end(kAbsent);
}

}  // namespace gist
