// Which files of a Hugging Face folder make the model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

inline constexpr char kHfConfigFile[] = "config.json";
inline constexpr char kHfTokenizerFile[] = "tokenizer.json";
inline constexpr char kHfWeightsFile[] = "model.safetensors";
// Lists the shards if the weights lie in several files.
inline constexpr char kHfIndexFile[] = "model.safetensors.index.json";
// Read if they are there.
inline constexpr std::string_view kHfOptionalFiles[] = {
    "chat_template.jinja", "generation_config.json", "tokenizer_config.json"};

// The shards that an index file names: sorted, each once, in the folder itself.
// kDataLoss: no index, no shard, or a name that leads elsewhere or is no
// *.safetensors. `name` begins the message.
absl::StatusOr<std::vector<std::string>> HfShardNames(std::string_view json,
                                                      std::string_view name);

// The files of `folder` that make the model, sorted by name: those of the
// above that exist. Other files change nothing. kNotFound names a missing file.
absl::StatusOr<std::vector<std::string>> HfFolderFiles(
    const std::string& folder);

}  // namespace gist
