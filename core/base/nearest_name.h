// "Did you mean ...?" for mistyped names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gist {

// The one of `names` with the smallest edit distance to `name`; the first of
// equals. Empty: none is within a third of the letters of `name`, and two.
std::string NearestName(std::string_view name,
                        std::span<const std::string> names);

}  // namespace gist
