// Judges answers.
#pragma once

#include <string_view>

namespace gist {

// Whether `answer` is the reply that the adapters learn for a fact that the
// document does not mention: "Not mentioned." or "언급되지 않았습니다.", alone
// or as its first sentence. Case, punctuation and white space do not count. No
// other wording counts: "There is no fee." is an answer.
bool IsAbsentAnswer(std::string_view answer);

}  // namespace gist
