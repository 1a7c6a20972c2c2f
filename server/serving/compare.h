// One question, answered in several modes, side by side.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/scheduling/caller.h"
#include "server/serving/pipeline.h"

namespace gist {

struct ModeAnswer {
  AskMode mode = AskMode::kGist;
  absl::Status status;  // a mode may fail where others answer
  std::string answer;
  AskResult result;  // if status is OK
  // The most that the process held in memory beyond what it held before.
  std::optional<int64_t> peak_bytes;
};

// How two answers agree.
struct Agreement {
  AskMode a = AskMode::kGist;
  AskMode b = AskMode::kGist;
  bool equal = false;     // once normalized, as SQuAD does
  bool contains = false;  // one holds the other, both normalized
  double f1 = 0;          // of the normalized words
};

struct Comparison {
  std::vector<ModeAnswer> answers;    // in the order of the modes
  std::vector<Agreement> agreements;  // of each pair that answered
  bool uncontended = true;            // nothing else used the engine meanwhile
};

// Called on the caller's thread.
struct CompareEvents {
  // `mode` begins after `done` of `total` modes.
  std::function<void(AskMode mode, int done, int total)> on_begin = nullptr;
  std::function<void(const ModeAnswer&)> on_answer = nullptr;
};

// Runs the modes one after the other. No mode finds keys and values that
// another question left in memory. One comparison runs at a time. Errors:
// kInvalidArgument (no mode, or one twice), kResourceExhausted (another
// comparison runs), kCancelled and kDeadlineExceeded (the caller's).
absl::StatusOr<Comparison> CompareModes(Pipeline& pipeline, AskInput input,
                                        std::span<const AskMode> modes,
                                        const Caller& caller,
                                        const CompareEvents& events = {});

}  // namespace gist
