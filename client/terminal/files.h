// Local files and standard streams for the command line. Errors that start
// here are told from the server's by IsLocal.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist::client {

// Did `status` come from a file or stream of this machine?
bool IsLocal(const absl::Status& status);

// `error`, IsLocal from now on.
absl::Status Local(absl::Status error);

// `what` with errno's code and meaning; IsLocal.
absl::Status LocalErrno(const std::string& what);

// Writes to standard output and flushes it.
absl::Status WriteStdout(std::string_view text);

// A file being read, or standard input.
class InputFile {
 public:
  // `path`: "-" is standard input.
  static absl::StatusOr<InputFile> Open(const std::string& path,
                                        std::stop_token stop);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  // The next bytes; empty at the end. kCancelled once `stop` is requested,
  // however long the other end of a pipe stays silent.
  absl::StatusOr<std::string> Read();
  // Of a regular file.
  std::optional<int64_t> size_bytes() const { return size_bytes_; }

 private:
  InputFile(int fd, std::string name, std::stop_token stop);

  int fd_;
  std::string name_;
  std::stop_token stop_;
  std::optional<int64_t> size_bytes_;
};

// A file that appears under its name only when it is whole: written beside it,
// flushed to disk and renamed by Commit, removed without it.
class OutputFile {
 public:
  // kAlreadyExists if there is such a file and not `overwrite`; Commit checks
  // again.
  static absl::StatusOr<OutputFile> Create(const std::string& path,
                                           bool overwrite);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  absl::Status Write(std::string_view bytes);
  absl::Status Commit();

 private:
  OutputFile(int fd, std::string path, std::string partial, bool overwrite);

  int fd_;
  std::string path_;
  std::string partial_;  // empty: committed, or moved from
  bool overwrite_;
};

}  // namespace gist::client
