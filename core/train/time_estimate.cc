#include "core/train/time_estimate.h"

#include <algorithm>

namespace gist {
namespace {

// Of a generated question with its chat frame, and of its answer.
constexpr double kQuestionTokens = 40, kAnswerTokens = 12;
constexpr double kForwardAndBackward = 3;
// A decoded token shares the weights with few others.
constexpr double kDecodedToken = 4;
// Of the dev set (core/train/dev_set.cc).
constexpr double kDevFillers = 32, kDevSegmentsPerSample = 4.0 / 3;
constexpr int kWarmUpSteps = 3;

}  // namespace

void TimeEstimate::AddReading(int tokens, double seconds) {
  if (tokens <= 0) return;
  if (warm_up_ == 0) {
    warm_up_ = seconds / tokens;
    return;
  }
  read_tokens_ += tokens;
  read_seconds_ += seconds;
}

void TimeEstimate::AddStep(double seconds) {
  ++steps_;
  step_seconds_ = steps_ <= kWarmUpSteps
                      ? step_seconds_ + (seconds - step_seconds_) / steps_
                      : 0.9 * step_seconds_ + 0.1 * seconds;
}

void TimeEstimate::AddEvaluation(double seconds) {
  evaluation_seconds_ = seconds;
}

double TimeEstimate::TokenSeconds() const {
  return read_tokens_ > 0 ? read_seconds_ / read_tokens_ : warm_up_;
}

double TimeEstimate::StepSeconds() const {
  if (steps_ >= kWarmUpSteps) return step_seconds_;
  const double documents =
      double(recipe_.documents_per_step) * recipe_.accumulate_passes;
  const double learnt = documents * (recipe_.layout.gist_tokens +
                                     kQuestionTokens + kAnswerTokens);
  const double read =
      double(recipe_.fresh_segments_per_step) * recipe_.layout.segment_tokens;
  return TokenSeconds() * (read + kForwardAndBackward * learnt);
}

double TimeEstimate::EvaluationSeconds() const {
  if (evaluation_seconds_ > 0) return evaluation_seconds_;
  return TokenSeconds() * recipe_.dev_samples *
         (recipe_.layout.gist_tokens + kQuestionTokens +
          kDecodedToken * kAnswerTokens);
}

double TimeEstimate::SecondsLeft(int step) const {
  if (TokenSeconds() == 0 && steps_ < kWarmUpSteps) return 0;
  double seconds = StepSeconds() * std::max(0, recipe_.steps() - step);
  if (!evaluates_) return seconds;
  const int every = std::max(1, recipe_.evaluate_every_steps);
  const int last = (recipe_.steps() + every - 1) / every;
  const int due = std::max(0, last - step / every);
  seconds += EvaluationSeconds() * (due + 1);
  const double dev_text =
      TokenSeconds() * recipe_.layout.segment_tokens *
      (kDevFillers + kDevSegmentsPerSample * recipe_.dev_samples);
  // The comparison at the end reads the dev text again.
  return seconds + dev_text * (evaluation_seconds_ > 0 ? 1 : 2);
}

}  // namespace gist
