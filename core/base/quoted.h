// Text out of a file, made fit for an error message.
#pragma once

#include <string>
#include <string_view>

namespace gist {

// `text` in double quotes: at most its first 80 bytes, then "..."; as \n or
// \xNN control characters and, if it is not UTF-8, all bytes beyond ASCII.
std::string Quoted(std::string_view text);

}  // namespace gist
