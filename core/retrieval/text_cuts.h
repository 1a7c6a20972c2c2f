// Where sentences and clauses end. For the chunker.
#pragma once

#include <string_view>
#include <vector>

#include "core/retrieval/text_units.h"

namespace gist {

// Sets `after` of all units but the last. English and other scripts that put
// spaces after a full stop, CJK, and Korean, whose final endings count as a
// clause where punctuation is left out. A full stop ends no sentence before a
// small letter, after an initial, a common abbreviation or a list's number.
void RateCuts(std::string_view text, std::vector<TextUnit>* units);

}  // namespace gist
