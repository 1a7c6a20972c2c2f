#include "core/base/installation.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace gist {

namespace fs = std::filesystem;

std::string InstallationFolder() {
  if (const char* const home = std::getenv("GIST_HOME")) return home;
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  return error ? "." : InstallationFolderOf(executable.string());
}

std::string InstallationFolderOf(const std::string& executable) {
  const fs::path folder = fs::path(executable).parent_path();
  const fs::path installed = folder.parent_path() / "share" / "gistd";
  std::error_code error;
  if (folder.filename() == "bin" && fs::is_directory(installed, error)) {
    return installed.string();
  }
  return folder.parent_path().parent_path().string();
}

}  // namespace gist
