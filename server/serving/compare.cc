#include "server/serving/compare.h"

#include <algorithm>
#include <mutex>

#include "core/base/status.h"
#include "core/engine/engine.h"
#include "core/scoring/metrics.h"
#include "server/support/errors.h"
#include "server/support/process_memory.h"

namespace gist {
namespace {

// The most that was held beyond what was held when this was made: of the GPU,
// or of the process where the engine has none. One at a time, as PeakMemory.
class PeakOfMode {
 public:
  explicit PeakOfMode(const Engine& engine) : engine_(engine) {
    engine_.ForgetDevicePeak();
    if (const auto device = engine_.device_memory()) {
      device_start_ = device->peak_bytes;
    } else {
      process_.emplace();
    }
  }
  std::optional<int64_t> BytesOverStart() const {
    if (process_) return process_->BytesOverStart();
    const auto device = engine_.device_memory();
    if (!device) return std::nullopt;
    return std::max<int64_t>(0, device->peak_bytes - device_start_);
  }

 private:
  const Engine& engine_;
  std::optional<PeakMemory> process_;  // where there is no GPU
  int64_t device_start_ = 0;
};

ModeAnswer Answer(Pipeline& pipeline, const AskInput& input,
                  const Caller& caller) {
  ModeAnswer answer;
  answer.mode = input.mode;
  const PeakOfMode peak(pipeline.engine());
  auto result =
      pipeline.Ask(input, caller, [&answer](const std::string& piece) {
        answer.answer += piece;
        return true;
      });
  answer.peak_bytes = peak.BytesOverStart();
  answer.status = result.status();
  if (result.ok()) answer.result = *std::move(result);
  return answer;
}

// An empty answer stands in nothing.
bool Contains(const std::string& whole, const std::string& part) {
  return !NormalizeAnswer(part).empty() && ContainmentScore(whole, part) == 1;
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
                            .contains = Contains(a.answer, b.answer) ||
                                        Contains(b.answer, a.answer),
                            .f1 = F1Score(a.answer, b.answer)});
    }
  }
  return agreements;
}

}  // namespace

absl::StatusOr<Comparison> CompareModes(Pipeline& pipeline, AskInput input,
                                        std::span<const AskMode> modes,
                                        const Caller& caller,
                                        const CompareEvents& events) {
  for (auto mode = modes.begin(); mode != modes.end(); ++mode) {
    if (std::find(modes.begin(), mode, *mode) != mode) {
      return InvalidField("modes", "modes: one of them is there twice");
    }
  }
  if (modes.empty()) return InvalidField("modes", "modes: none is given");
  static std::mutex one_at_a_time;  // of the peaks of memory
  const std::unique_lock lock(one_at_a_time, std::try_to_lock);
  if (!lock.owns_lock()) {
    return Error(
        Reason::kComparisonRunning,
        "another comparison runs, and two would disturb each other's figures; "
        "try again later");
  }
  Comparison comparison;
  input.bypass_cache = true;
  for (const AskMode mode : modes) {
    GIST_RETURN_IF_ERROR(caller.Check());
    input.mode = mode;
    if (events.on_begin) {
      events.on_begin(mode, int(comparison.answers.size()), int(modes.size()));
    }
    comparison.answers.push_back(Answer(pipeline, input, caller));
    const ModeAnswer& last = comparison.answers.back();
    comparison.uncontended = comparison.uncontended &&
                             (!last.status.ok() || last.result.uncontended);
    if (events.on_answer) events.on_answer(last);
  }
  GIST_RETURN_IF_ERROR(caller.Check());
  comparison.agreements = Agreements(comparison.answers);
  return comparison;
}

}  // namespace gist
