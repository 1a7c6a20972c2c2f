// A file as read-only memory.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// Unmaps at the end of its life. Move-only. kNotFound, kPermissionDenied,
// kInvalidArgument (a folder, empty). The file must not shrink meanwhile.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gist
