// Any bytes as config.json: what is read has sizes within bounds and a file of
// no weights can be made of it; all else is an error that names the file.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hf/config.h"
#include "core/hf/folder_files.h"
#include "core/hf/hf_folder.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

void CheckSizes(const HfConfig& config) {
  for (const auto& [key, value] : config.values) {
    const auto* size = std::get_if<int64_t>(&value);
    FuzzCheck(size == nullptr || (*size >= 1 && *size <= int64_t{1} << 28),
              "a size is within bounds");
  }
}

void CheckConfig(std::string_view text) {
  const auto json = ParseJson(text, "config.json");
  const auto folder = SizesOfHfConfig(text);
  if (!json.ok()) {
    FuzzCheck(absl::IsDataLoss(folder.status()), "only JSON is read");
    return;
  }
  const auto config = ReadHfConfig(*json);
  FuzzCheck(config.ok() == folder.ok(), "both read the same");
  if (config.ok()) return CheckSizes(*config);
  FuzzCheck(Message(config.status()).starts_with("config.json: "),
            "an error names the file");
}

void CheckShards(std::string_view text) {
  const auto names = HfShardNames(text, "index");
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    FuzzCheck(name.find('/') == name.npos && name.ends_with(".safetensors"),
              "a shard lies in the folder");
  }
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  gist::CheckConfig(text);
  gist::CheckShards(text);
  return 0;
}
