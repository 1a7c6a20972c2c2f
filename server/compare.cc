#include "server/compare.h"

#include <algorithm>
#include <mutex>

#include "core/base/status.h"
#include "core/data/metrics.h"
#include "server/process_memory.h"

namespace gist {
namespace {

ModeAnswer Answer(Pipeline& pipeline, const AskInput& input,
                  const Caller& caller) {
  ModeAnswer result;
  result.mode = input.mode;
  const PeakMemory peak;
  auto accounting =
      pipeline.Ask(input, caller, [&result](const std::string& piece) {
        result.answer += piece;
        return true;
      });
  result.peak_bytes = peak.BytesOverStart();
  result.status = accounting.status();
  if (accounting.ok()) result.accounting = *std::move(accounting);
  return result;
}

std::vector<Agreement> Agreements(const std::vector<ModeAnswer>& answers) {
  std::vector<Agreement> agreements;
  for (size_t i = 0; i < answers.size(); ++i) {
    for (size_t j = i + 1; j < answers.size(); ++j) {
      const ModeAnswer &a = answers[i], &b = answers[j];
      if (!a.status.ok() || !b.status.ok()) continue;
      agreements.push_back({.a = a.mode,
                            .b = b.mode,
                            .equal = ExactScore(a.answer, b.answer) == 1,
                            .f1 = F1Score(a.answer, b.answer)});
    }
  }
  return agreements;
}

}  // namespace

absl::StatusOr<Comparison> CompareModes(Pipeline& pipeline, AskInput input,
                                        std::span<const AskMode> modes,
                                        const Caller& caller) {
  for (auto mode = modes.begin(); mode != modes.end(); ++mode) {
    if (std::find(modes.begin(), mode, *mode) != mode) {
      return absl::InvalidArgumentError("modes: one of them is there twice");
    }
  }
  if (modes.empty()) return absl::InvalidArgumentError("modes: none is given");
  static std::mutex one_at_a_time;  // of the process's peak memory
  const std::unique_lock lock(one_at_a_time, std::try_to_lock);
  if (!lock.owns_lock()) {
    caller.Reject(rejected::kBusy);
    return absl::ResourceExhaustedError(
        "another comparison runs, and two would disturb each other's figures; "
        "try again later");
  }
  Comparison comparison;
  input.reads_anew = true;
  for (const AskMode mode : modes) {
    GIST_RETURN_IF_ERROR(caller.Check());
    input.mode = mode;
    comparison.answers.push_back(Answer(pipeline, input, caller));
    const ModeAnswer& last = comparison.answers.back();
    comparison.alone =
        comparison.alone && (!last.status.ok() || last.accounting.alone);
  }
  GIST_RETURN_IF_ERROR(caller.Check());
  comparison.agreements = Agreements(comparison.answers);
  return comparison;
}

}  // namespace gist
