#include "client/data_tool.h"

#include <unistd.h>

#include <filesystem>

#include "fmt/format.h"

namespace gist::client {

absl::Status RunDataTool(std::vector<std::string> arguments) {
  std::error_code error;
  const auto self = std::filesystem::canonical("/proc/self/exe", error);
  const std::string tool = self.parent_path() / "gist-data";
  arguments.insert(arguments.begin(), tool);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  execv(tool.c_str(), pointers.data());
  return absl::NotFoundError(fmt::format(
      "cannot run {}, which does this work; build or install it beside gist",
      tool));
}

}  // namespace gist::client
