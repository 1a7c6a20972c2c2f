// How long a training takes, from the time that its first parts took.
#pragma once

#include "core/train/trainer.h"

namespace gist {

// Seconds of wall time throughout, on the machine as busy as it is. Work is
// counted in tokens through the model once; a backward pass counts as two.
class TimeEstimate {
 public:
  // `evaluates`: there is a dev set.
  TimeEstimate(const TrainRecipe& recipe, bool evaluates)
      : recipe_(recipe), evaluates_(evaluates) {}

  // Text was read before the first step. The first call is a warm-up: it counts
  // only until a second one comes.
  void AddReading(int tokens, double seconds);
  void AddStep(double seconds);
  // A whole evaluation, without the reading of the dev text.
  void AddEvaluation(double seconds);

  // Of all that is left after `step` steps: steps, evaluations on the way, and
  // the comparison with the adapter in use at the end. Before the third step it
  // comes from the reading. 0: not known yet.
  double SecondsLeft(int step) const;

 private:
  double TokenSeconds() const;
  double StepSeconds() const;
  double EvaluationSeconds() const;

  const TrainRecipe recipe_;
  const bool evaluates_;
  double warm_up_ = 0;  // seconds a token, of the first reading
  double read_seconds_ = 0;
  double read_tokens_ = 0;
  int steps_ = 0;
  double step_seconds_ = 0;        // smooth
  double evaluation_seconds_ = 0;  // of the latest one
};

}  // namespace gist
