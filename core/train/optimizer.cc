#include "core/train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gist {
namespace {

using at::Tensor;

struct Group {
  int64_t begin = 0;
  int64_t elements = 0;
  double learning_rate = 0;
};

void StepGroup(AdapterParameters& parameters, const TrainRecipe& recipe,
               int step, const Group& group) {
  const auto part = [&](const Tensor& flat) {
    return flat.narrow(0, group.begin, group.elements);
  };
  Tensor values = part(parameters.values);
  const Tensor gradients = part(parameters.gradients);
  Tensor first = part(parameters.first_moments);
  Tensor second = part(parameters.second_moments);
  const double bias1 = 1 - std::pow(recipe.adam_beta1, step);
  const double bias2 = 1 - std::pow(recipe.adam_beta2, step);
  values.mul_(1 - group.learning_rate * recipe.weight_decay);
  first.lerp_(gradients, 1 - recipe.adam_beta1);
  second.mul_(recipe.adam_beta2)
      .addcmul_(gradients, gradients, 1 - recipe.adam_beta2);
  const Tensor divisor =
      second.sqrt().div_(std::sqrt(bias2)).add_(recipe.adam_epsilon);
  values.addcdiv_(first, divisor, -group.learning_rate / bias1);
}

}  // namespace

double LearningRateFactor(const TrainRecipe& recipe, int step, int steps) {
  const double warmup = recipe.warmup_steps > 0
                            ? std::min(1.0, (step + 1) / recipe.warmup_steps)
                            : 1;
  const double progress = std::min(1.0, double(step) / std::max(1, steps));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  const double last = recipe.final_learning_rate_ratio;
  return warmup * (last + (1 - last) * cosine);
}

double ClipGradients(AdapterParameters& parameters, double limit) {
  const at::NoGradGuard no_grad;
  const double norm =
      at::linalg_vector_norm(parameters.gradients).item<double>();
  if (limit > 0 && norm > limit)
    parameters.gradients.mul_(limit / (norm + 1e-6));
  return norm;
}

void AdamWStep(AdapterParameters& parameters, const TrainRecipe& recipe,
               int step, double factor) {
  const at::NoGradGuard no_grad;
  const int64_t border = parameters.embeddings_begin();
  StepGroup(parameters, recipe, step,
            {0, border, recipe.learning_rate * factor});
  StepGroup(parameters, recipe, step,
            {border, parameters.values.numel() - border,
             recipe.embedding_learning_rate * factor});
}

}  // namespace gist
