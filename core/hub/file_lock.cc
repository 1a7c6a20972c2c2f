#include "core/hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "core/base/status.h"

namespace gist {

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<FileLock> FileLock::Take(const std::string& path,
                                        const std::function<void()>& on_wait,
                                        const std::stop_token& stop) {
  std::error_code ignored;  // open tells
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(),
                                      ignored);
  FileLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const std::string what = fmt::format("lock {}", path);
  if (lock.descriptor_ < 0) return absl::ErrnoToStatus(errno, what);
  for (bool has_waited = false; !stop.stop_requested();) {
    if (flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK && errno != EINTR)
      return absl::ErrnoToStatus(errno, what);
    if (!std::exchange(has_waited, true) && on_wait) on_wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return absl::CancelledError("interrupted");
}

}  // namespace gist
