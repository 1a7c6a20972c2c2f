#include "client/terminal/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/cord.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kLocalMark[] = "gist/local-file";
constexpr size_t kReadBytes = size_t{256} << 10;
constexpr int kPollMilliseconds = 50;

absl::Status Exists(const std::string& path) {
  return Local(absl::AlreadyExistsError(fmt::format(
      "{} exists already; choose another name, or --force to replace it",
      path)));
}

// The mode that open(2) would give a new file.
mode_t NewFileMode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

absl::Status Local(absl::Status error) {
  error.SetPayload(kLocalMark, absl::Cord());
  return error;
}

absl::Status LocalErrno(const std::string& what) {
  return Local(absl::ErrnoToStatus(errno, what));
}

bool IsLocal(const absl::Status& status) {
  return status.GetPayload(kLocalMark).has_value();
}

absl::Status WriteStdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return LocalErrno("cannot write to standard output");
  }
  return absl::OkStatus();
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path,
                                          std::stop_token stop) {
  if (path == "-") return InputFile(STDIN_FILENO, "standard input", stop);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return LocalErrno(fmt::format("cannot open {}", path));
  InputFile file(fd, path, std::move(stop));
  struct stat info = {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    file.size_bytes_ = info.st_size;
  }
  return file;
}

InputFile::InputFile(int fd, std::string name, std::stop_token stop)
    : fd_(fd), name_(std::move(name)), stop_(std::move(stop)) {}

InputFile::InputFile(InputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      stop_(std::move(other.stop_)),
      size_bytes_(other.size_bytes_) {}

InputFile::~InputFile() {
  if (fd_ > STDIN_FILENO) close(fd_);
}

absl::StatusOr<std::string> InputFile::Read() {
  pollfd readable = {.fd = fd_, .events = POLLIN, .revents = 0};
  do {
    if (stop_.stop_requested()) return absl::CancelledError("interrupted");
  } while (poll(&readable, 1, kPollMilliseconds) == 0);
  std::string bytes(kReadBytes, '\0');
  ssize_t got = 0;
  do {
    got = read(fd_, bytes.data(), bytes.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return LocalErrno(fmt::format("cannot read {}", name_));
  bytes.resize(size_t(got));
  return bytes;
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path,
                                              bool overwrite) {
  if (!overwrite && access(path.c_str(), F_OK) == 0) return Exists(path);
  std::string partial = path + ".partial-XXXXXX";
  const int fd = mkostemp(partial.data(), O_CLOEXEC);
  if (fd < 0) return LocalErrno(fmt::format("cannot create {}", path));
  OutputFile file(fd, path, std::move(partial), overwrite);
  if (fchmod(fd, NewFileMode()) != 0) {
    return LocalErrno(fmt::format("cannot set the mode of {}", path));
  }
  return file;
}

OutputFile::OutputFile(int fd, std::string path, std::string partial,
                       bool overwrite)
    : fd_(fd),
      path_(std::move(path)),
      partial_(std::move(partial)),
      overwrite_(overwrite) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      overwrite_(other.overwrite_) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!partial_.empty()) unlink(partial_.c_str());
}

absl::Status OutputFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return LocalErrno(fmt::format("cannot write {}", path_));
    bytes.remove_prefix(size_t(put));
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Commit() {
  if (fsync(fd_) != 0) return LocalErrno(fmt::format("cannot write {}", path_));
  const unsigned flags = overwrite_ ? 0 : RENAME_NOREPLACE;
  int renamed =
      renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), flags);
  // Some file systems and kernels know no RENAME_NOREPLACE.
  if (renamed != 0 && (errno == EINVAL || errno == ENOSYS)) {
    renamed = rename(partial_.c_str(), path_.c_str());
  }
  if (renamed != 0 && errno == EEXIST) return Exists(path_);
  if (renamed != 0) return LocalErrno(fmt::format("cannot write {}", path_));
  partial_.clear();
  return absl::OkStatus();
}

}  // namespace gist::client
