// The essays in deploy/sample, compiled in.
#pragma once

#include <string_view>

namespace gist {

// Paragraphs with blank lines between. `language`: "en" or "ko".
std::string_view SampleFiller(std::string_view language);

}  // namespace gist
