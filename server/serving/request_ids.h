// What calls with a request_id made, so that a repeat gives the same.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/scheduling/caller.h"

namespace gist {

// In memory, the oldest first out: a restart forgets all. Thread-safe.
class RequestIds {
 public:
  explicit RequestIds(size_t max_ids = 10'000,
                      Clock::duration max_age = std::chrono::hours(24))
      : max_ids_(max_ids), max_age_(max_age) {}

  // What the first call with this id made; nothing: it is this one, or has not
  // ended. `digest` tells what is asked for. kInvalidArgument
  // (REQUEST_ID_REUSED): something else was.
  absl::StatusOr<std::optional<std::string>> Begin(
      const std::string& id, const std::string& digest,
      Clock::time_point now = Clock::now());
  // `made`: empty after an error, which leaves the id free again.
  void End(const std::string& id, const std::string& digest,
           const std::string& made, Clock::time_point now = Clock::now());

 private:
  struct Entry {
    std::string id, digest, made;
    Clock::time_point since;
  };

  void Forget(Clock::time_point now);  // wants mutex_

  const size_t max_ids_;
  const Clock::duration max_age_;
  std::mutex mutex_;          // guards all below
  std::list<Entry> entries_;  // the oldest first
  std::map<std::string, std::list<Entry>::iterator> by_id_;
};

}  // namespace gist
