// Small files that are there as a whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// kNotFound: no such file; kUnavailable: it cannot be read.
absl::StatusOr<std::string> ReadStateFile(const std::string& path);

// Another text whenever the file has changed, or another one has taken its
// place; empty: there is none. For looking often: it reads nothing.
std::string StampOfFile(const std::string& path);

// Written beside it, flushed to disk, renamed: after a crash the file holds the
// old bytes or the new ones. kResourceExhausted: no space; kUnavailable: it
// cannot be written.
absl::Status WriteStateFile(const std::string& path, std::string_view bytes);

// A JSON object's text with its own SHA-256 as the field "sha256", and whether
// that is true of `text`: a flipped bit is found. kDataLoss. What was written
// before there were sums has none, and is taken as it is.
std::string WithSum(std::string_view json);
absl::Status CheckSum(std::string_view path, std::string_view text);

// Renames a folder and flushes the renaming. kUnavailable.
absl::Status PublishFolder(const std::string& from, const std::string& to);

// Creates it and its parents. kUnavailable.
absl::Status EnsureFolder(const std::string& path);

}  // namespace gist
