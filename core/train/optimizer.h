// One optimizer step: clipped AdamW (arXiv:1711.05101), warm-up and cosine.
#pragma once

#include "core/train/parameters.h"

namespace gist {

// The factor on both learning rates at 0-based `step` of `steps`.
double LearningRateFactor(const TrainRecipe& recipe, int step, int steps);

// The running mean that is reported, after one more loss.
inline double SmoothLoss(double mean, double loss) {
  return 0.97 * mean + 0.03 * loss;
}

// Scales the gradients to a norm of at most `limit`; returns the norm before.
double ClipGradients(AdapterParameters& parameters, double limit);

// Equal to torch.optim.AdamW with two groups. `step`: 1-based, of all steps so
// far.
void AdamWStep(AdapterParameters& parameters, const TrainRecipe& recipe,
               int step, double factor);

}  // namespace gist
