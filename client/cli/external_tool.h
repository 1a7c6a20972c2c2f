// Tools that stand beside this executable: they link what the client must not
// (a tokenizer, a model), and run in its place.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gist::client {

// Becomes `name` in this executable's folder, with `arguments`; the process's
// exit code is then the tool's. Returns only if that fails: kNotFound names the
// path, and counts as local (IsLocal).
absl::Status RunTool(const std::string& name,
                     const std::vector<std::string>& arguments);

}  // namespace gist::client
