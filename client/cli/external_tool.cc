#include "client/cli/external_tool.h"

#include <unistd.h>

#include <filesystem>

#include "client/terminal/files.h"
#include "fmt/format.h"

namespace gist::client {

absl::Status RunTool(const std::string& name,
                     const std::vector<std::string>& arguments) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string path = (self.parent_path() / name).string();
  std::vector<char*> argv = {path.data()};
  // execv does not write to them.
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  return LocalErrno(
      fmt::format("cannot run {}, which this command needs", path));
}

}  // namespace gist::client
