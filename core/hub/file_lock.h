// One process at a time works on a file.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"

namespace gist {

// flock(2) on a lock file, as huggingface_hub takes it. Freed with the object
// and with the process. Move-only.
class FileLock {
 public:
  // Waits as long as another process holds it; `on_wait` is called once then.
  // The file and its folders are made; it stays. kCancelled; kPermissionDenied
  // and other errors of the disk.
  static absl::StatusOr<FileLock> Take(const std::string& path,
                                       const std::function<void()>& on_wait,
                                       const std::stop_token& stop);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace gist
