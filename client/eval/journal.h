// What a run has asked so far, on disk line by line: a killed run goes on.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/eval/trial.h"

namespace gist::client {

// A JSON Lines file: first what all trials have in common, then a Trial a line.
// Locked while it is open. Append is thread-safe.
class Journal {
 public:
  // Reads what is there; a last line without its newline, which a kill left, is
  // cut off. `settings`: an object; whatever in it is another than the file's
  // is named. `started_unix_ms` is kept from the first time. `restart`: what is
  // there is dropped. Errors: kFailedPrecondition (other settings, or another
  // process has it open), kDataLoss (a damaged line, named), IsLocal for the
  // rest.
  static absl::StatusOr<Journal> Open(const std::string& path,
                                      const Json& settings,
                                      int64_t started_unix_ms, bool restart);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  int64_t started_unix_ms() const { return started_unix_ms_; }
  // Of earlier runs and of this one, in the order in which they came.
  const std::vector<Trial>& trials() const { return trials_; }
  // On disk when it returns.
  absl::Status Append(Trial trial);

 private:
  Journal(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  absl::Status Begin(const Json& settings, int64_t started_unix_ms);
  absl::Status Read(const std::string& text, const Json& settings);
  absl::Status ReadHeader(const std::string& line, const Json& settings);
  absl::Status WriteLine(const Json& json);

  int fd_ = -1;
  std::string path_;
  int64_t started_unix_ms_ = 0;
  std::vector<Trial> trials_;
  std::mutex mutex_;
};

// Writes a whole journal at `path`, as a run with these trials leaves it:
// results whose journal was not kept can be added to. IsLocal errors.
absl::Status WriteJournal(const std::string& path, const Json& settings,
                          int64_t started_unix_ms,
                          const std::vector<Trial>& trials);

// The first place where two JSON values differ, with both values, as
// `"gists": 10 there, 25 now`; nothing where they are equal.
std::optional<std::string> FirstDifference(const Json& there, const Json& now);

}  // namespace gist::client
