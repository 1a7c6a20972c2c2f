#include "core/hf/folder_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/format/mapped_file.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

bool Exists(const std::string& folder, std::string_view name) {
  std::error_code error;
  return fs::is_regular_file(fmt::format("{}/{}", folder, name), error);
}

absl::StatusOr<std::vector<std::string>> WeightFiles(
    const std::string& folder) {
  if (Exists(folder, kHfWeightsFile)) {
    return std::vector<std::string>{kHfWeightsFile};
  }
  const std::string path = fmt::format("{}/{}", folder, kHfIndexFile);
  if (!Exists(folder, kHfIndexFile)) {
    return absl::NotFoundError(
        fmt::format("{}: neither {} nor {}; want the weights as safetensors",
                    folder, kHfWeightsFile, kHfIndexFile));
  }
  GIST_ASSIGN_OR_RETURN(const MappedFile index, MappedFile::Open(path));
  GIST_ASSIGN_OR_RETURN(auto names, HfShardNames(index.bytes(), path));
  for (const std::string& name : names) {
    if (Exists(folder, name)) continue;
    return absl::NotFoundError(
        fmt::format("{}: the shard {} is missing, which {} names; fetch it too",
                    folder, name, kHfIndexFile));
  }
  names.push_back(kHfIndexFile);
  return names;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> HfShardNames(std::string_view json,
                                                      std::string_view name) {
  GIST_ASSIGN_OR_RETURN(const auto index, ParseJson(json, name));
  const auto& map = FieldOf(index, "weight_map");
  std::set<std::string> names;
  if (map.is_object()) {
    for (const auto& shard : map) {
      const std::string file = shard.is_string() ? shard : "";
      if (!file.ends_with(".safetensors") || file.find('/') != file.npos) {
        return absl::DataLossError(fmt::format(
            "{}: weight_map names {}, want a *.safetensors of this folder",
            name, Quoted(file)));
      }
      names.insert(file);
    }
  }
  if (!names.empty())
    return std::vector<std::string>(names.begin(), names.end());
  return absl::DataLossError(fmt::format("{}: weight_map names no file", name));
}

absl::StatusOr<std::vector<std::string>> HfFolderFiles(
    const std::string& folder) {
  GIST_ASSIGN_OR_RETURN(auto names, WeightFiles(folder));
  for (const char* wanted : {kHfConfigFile, kHfTokenizerFile}) {
    if (!Exists(folder, wanted)) {
      return absl::NotFoundError(fmt::format(
          "{}: no {}; want a Hugging Face folder with config.json, "
          "tokenizer.json and the weights as safetensors, or a GGUF file",
          folder, wanted));
    }
    names.push_back(wanted);
  }
  for (const std::string_view name : kHfOptionalFiles) {
    if (Exists(folder, name)) names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace gist
