// Sentence templates: where a value, a key or a Korean particle goes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gist {

// What a template's marks stand for.
struct Slots {
  std::string_view value = {};  // "{}"
  std::string_view key = {};    // "{k}"
  std::string_view other = {};  // "{o}"
  std::string_view third = {};  // "{t}"
};

// `text` with its marks filled in. "{은/는}" becomes the particle that fits
// what stands before it: the first after a final consonant, else the second.
// Digits and Latin letters count as they are read in Korean ("3" is 삼, "L"
// 엘); before "로" ㄹ counts as a vowel. Marks that it does not know stay as
// they are.
std::string Fill(std::string_view text, const Slots& slots);

// What Fill was given to make `filled` of `text`, which has no mark twice: the
// shortest that fits, from the left. The slots borrow from `filled`. Nothing
// where it does not fit.
std::optional<Slots> Unfill(std::string_view text, std::string_view filled);

}  // namespace gist
