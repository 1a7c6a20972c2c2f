// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "absl/status/status.h"
#include "core/base/sampling.h"

namespace gist {

// Draws one token after another; the same seed and logits give the same tokens
// on every machine. Greedy takes the lowest id among equals.
class Sampler {
 public:
  explicit Sampler(const Sampling& sampling)
      : sampling_(sampling), random_(sampling.seed) {}

  // `logits`: [vocab], not empty, as CheckLogits wants them. Order of cuts:
  // temperature, top-k, top-p.
  int32_t Next(std::span<const float> logits);

 private:
  Sampling sampling_;
  std::mt19937_64 random_;
};

// kInternal: a logit is infinite or NaN, so that no token is likeliest.
absl::Status CheckLogits(std::span<const float> logits);

}  // namespace gist
