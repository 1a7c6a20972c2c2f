#include "server/support/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string message =
      fmt::format("{} {}: {}", what, path, std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::UnavailableError(message);
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("cannot write", path, errno);
    bytes.remove_prefix(size_t(written));
  }
  return fsync(fd) == 0 ? absl::OkStatus()
                        : Failed("cannot flush", path, errno);
}

// So that a renaming in it outlives a crash.
absl::Status FlushFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("cannot open", folder, errno);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : Failed("cannot flush", folder, error);
}

}  // namespace

std::string WithSum(std::string_view json) {
  auto object = nlohmann::ordered_json::parse(json);
  object.erase("sha256");
  const std::string sum = Sha256Hex(object.dump());
  object["sha256"] = sum;
  return object.dump(1) + "\n";
}

absl::Status CheckSum(std::string_view path, std::string_view text) {
  auto object = nlohmann::ordered_json::parse(text, nullptr,
                                              /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::DataLossError(
        fmt::format("{} is damaged: want a JSON object", path));
  }
  if (!object.contains("sha256")) return absl::OkStatus();
  const auto stored = object["sha256"];
  object.erase("sha256");
  const std::string sum = Sha256Hex(object.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (stored == sum) return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "{} is damaged: its SHA-256 is {}, want {}", path, sum, stored.dump()));
}

absl::StatusOr<std::string> ReadStateFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Failed("cannot open", path, errno);
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Failed("cannot read", path, EIO);
  return std::move(text).str();
}

std::string StampOfFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return "";
  return fmt::format("{} {} {}.{} {}.{}", info.st_ino, info.st_size,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                     info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

absl::Status WriteStateFile(const std::string& path, std::string_view bytes) {
  const std::string partial = path + ".partial";
  const int fd =
      open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("cannot create", partial, errno);
  absl::Status status = WriteAll(fd, bytes, partial);
  close(fd);
  if (status.ok() && rename(partial.c_str(), path.c_str()) != 0) {
    status = Failed("cannot rename to", path, errno);
  }
  if (!status.ok()) {
    unlink(partial.c_str());
    return status;
  }
  return FlushFolder(fs::path(path).parent_path().string());
}

absl::Status PublishFolder(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return Failed("cannot rename to", to, errno);
  }
  return FlushFolder(fs::path(to).parent_path().string());
}

absl::Status EnsureFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Failed("cannot create", path, error.value())
               : absl::OkStatus();
}

}  // namespace gist
