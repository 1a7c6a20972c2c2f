// `gist data`: a program of its own, so that gist needs no tokenizer.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gist::client {

// Becomes gist-data, which lies beside this program. Returns only where that
// fails: kNotFound.
absl::Status RunDataTool(std::vector<std::string> arguments);

}  // namespace gist::client
