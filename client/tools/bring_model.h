// The value of --model of the programs beside gist.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist::client {

inline constexpr std::string_view kModelHelp =
    "GGUF file (of shards the first), Hugging Face folder, or a model of a hub "
    "by hf:OWNER/NAME[@REVISION][:FILE]";

// LocalModel of core/hub/hub.h by the environment's variables, with a progress
// bar and a line for each file on standard error.
absl::StatusOr<std::string> BringModel(const std::string& model);

}  // namespace gist::client
