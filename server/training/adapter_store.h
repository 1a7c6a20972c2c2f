// Adapters that were trained here, and which of them is in use.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

struct AdapterVersion {
  std::string name;  // plain
  int version = 0;   // counts from 1
  std::string job_id;
  std::string recipe;
  std::optional<double> dev_accuracy;
  int64_t created_unix_ms = 0;
  std::map<std::string, std::string> files;  // SHA-256, by name; set by Add

  std::string Title() const { return name + "@" + std::to_string(version); }
};

// A folder NAME/NAME@VERSION for each version, which never changes, with its
// description NAME/NAME@VERSION.json, and current.json: the titles of the
// versions that came into use, the last one being in use. An empty list is the
// adapter that the server was configured with. Thread-safe.
class AdapterStore {
 public:
  explicit AdapterStore(std::string folder) : folder_(std::move(folder)) {}

  // Lets `write` fill a new folder, which becomes the next version of `about`'s
  // name. What a job has added before is returned as it is. kInvalidArgument:
  // the name is not plain; kUnavailable, kResourceExhausted: the disk; or what
  // `write` says.
  absl::StatusOr<AdapterVersion> Add(
      AdapterVersion about,
      const std::function<absl::Status(const std::string& folder)>& write);
  // "NAME@VERSION", or "NAME" for its latest. kNotFound.
  absl::StatusOr<AdapterVersion> Find(std::string_view title) const;
  // By name, then by version.
  absl::StatusOr<std::vector<AdapterVersion>> List() const;
  std::string FolderOf(const AdapterVersion& version) const;
  // SHA-256 of the model file that it is made for, as its files say; empty:
  // they do not.
  std::string ModelOf(const AdapterVersion& version) const;
  // The same, once its files are what was added. kDataLoss: the message names
  // the one that is not. A version of before there were sums is not checked.
  absl::StatusOr<std::string> VerifiedFolderOf(
      const AdapterVersion& version) const;

  // Titles, the one in use last. kDataLoss: current.json is damaged.
  absl::StatusOr<std::vector<std::string>> History() const;
  absl::Status SetHistory(const std::vector<std::string>& titles);

 private:
  absl::StatusOr<std::vector<AdapterVersion>> VersionsOf(
      std::string_view name) const;

  const std::string folder_;
  std::mutex adding_;
};

}  // namespace gist
