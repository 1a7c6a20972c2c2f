// One question, answered in several modes, side by side.
#pragma once

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
  Accounting accounting;  // if status is OK
  // The most that the process held in memory beyond what it held before.
  std::optional<int64_t> peak_bytes;
};

// How two answers agree.
struct Agreement {
  AskMode a = AskMode::kGist;
  AskMode b = AskMode::kGist;
  bool equal = false;  // once normalized, as SQuAD does
  double f1 = 0;       // of the normalized words
};

struct Comparison {
  std::vector<ModeAnswer> answers;    // in the order of the modes
  std::vector<Agreement> agreements;  // of each pair that answered
  bool alone = true;                  // nothing else used the engine meanwhile
};

// Modes run one after the other, and no mode finds keys and values that another
// question left. One comparison at a time. kInvalidArgument: no mode, or one
// twice. kCancelled, kDeadlineExceeded: the caller's.
absl::StatusOr<Comparison> CompareModes(Pipeline& pipeline, AskInput input,
                                        std::span<const AskMode> modes,
                                        const Caller& caller);

}  // namespace gist
