#include "client/tools/unzip.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

namespace fs = std::filesystem;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

absl::Status Damaged(const std::string& zip, archive* reader) {
  const char* const reason = archive_error_string(reader);
  return absl::DataLossError(
      fmt::format("{}: {}; fetch it again", zip,
                  reason != nullptr ? reason : "not a whole zip file"));
}

absl::StatusOr<Archive> Open(const std::string& zip) {
  Archive reader(archive_read_new(), &archive_read_free);
  if (reader == nullptr)
    return absl::InternalError("libarchive does not start");
  constexpr size_t kBlockBytes = 64 << 10;
  // The seekable reader trusts the directory at the file's end, as others do.
  if (archive_read_support_format_zip_seekable(reader.get()) != ARCHIVE_OK ||
      archive_read_open_filename(reader.get(), zip.c_str(), kBlockBytes) !=
          ARCHIVE_OK) {
    return Damaged(zip, reader.get());
  }
  return reader;
}

// A relative path without "..", so that it stays in the folder.
bool StaysInside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(),
                      [](const fs::path& part) { return part == ".."; });
}

class Unzipper {
 public:
  Unzipper(const std::string& zip, const std::string& folder,
           const UnzipLimits& limits)
      : zip_(zip), folder_(folder), limits_(limits) {}

  absl::Status Run() {
    GIST_ASSIGN_OR_RETURN(const Archive reader, Open(zip_));
    archive_entry* entry = nullptr;
    int result = ARCHIVE_OK;
    while ((result = archive_read_next_header(reader.get(), &entry)) ==
           ARCHIVE_OK) {
      GIST_RETURN_IF_ERROR(Extract(reader.get(), entry));
    }
    if (result != ARCHIVE_EOF) return Damaged(zip_, reader.get());
    if (!files_.empty()) return absl::OkStatus();
    return absl::DataLossError(fmt::format("{}: holds no file", zip_));
  }

  void RemoveFiles() {
    std::error_code ignored;
    for (const std::string& file : files_) fs::remove(file, ignored);
  }
  std::vector<std::string> TakeFiles() { return std::move(files_); }

 private:
  absl::Status Extract(archive* reader, archive_entry* entry) {
    const char* const name = archive_entry_pathname_utf8(entry);
    const fs::path path = name != nullptr ? name : "";
    if (!StaysInside(path)) {
      return absl::InvalidArgumentError(
          fmt::format("{}: holds \"{}\", which is no path below a folder", zip_,
                      path.string()));
    }
    if (archive_entry_filetype(entry) == AE_IFDIR) return absl::OkStatus();
    if (archive_entry_filetype(entry) != AE_IFREG) {
      return absl::InvalidArgumentError(
          fmt::format("{}: \"{}\" is no plain file", zip_, path.string()));
    }
    if (int64_t(files_.size()) >= limits_.max_files) {
      return absl::ResourceExhaustedError(
          fmt::format("{}: holds more than {} files", zip_, limits_.max_files));
    }
    return WriteFile(reader, folder_ / path);
  }

  absl::Status WriteFile(archive* reader, const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    // "x": not through a link that lies there.
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen(path.c_str(), "wbx"), &std::fclose);
    if (file == nullptr) {
      return absl::ErrnoToStatus(errno,
                                 fmt::format("cannot write {}", path.string()));
    }
    files_.push_back(path);
    return CopyData(reader, file.get(), path);
  }

  absl::Status CopyData(archive* reader, std::FILE* file,
                        const fs::path& path) {
    std::vector<char> block(256 << 10);
    while (true) {
      const auto size = archive_read_data(reader, block.data(), block.size());
      if (size < 0) return Damaged(zip_, reader);
      bytes_ += size;
      if (bytes_ > limits_.max_bytes) {
        return absl::ResourceExhaustedError(fmt::format(
            "{}: unpacks to more than {} bytes", zip_, limits_.max_bytes));
      }
      if (std::fwrite(block.data(), 1, size_t(size), file) != size_t(size) ||
          (size == 0 && std::fflush(file) != 0)) {
        return absl::InternalError(fmt::format(
            "{} cannot be written; is the disk full?", path.string()));
      }
      if (size == 0) return absl::OkStatus();
    }
  }

  const std::string zip_;
  const fs::path folder_;
  const UnzipLimits limits_;
  int64_t bytes_ = 0;
  std::vector<std::string> files_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> Unzip(const std::string& zip,
                                               const std::string& folder,
                                               const UnzipLimits& limits) {
  Unzipper unzipper(zip, folder, limits);
  const absl::Status status = unzipper.Run();
  if (status.ok()) return unzipper.TakeFiles();
  unzipper.RemoveFiles();
  return status;
}

}  // namespace gist::client
