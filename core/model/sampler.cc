#include "core/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/status.h"
#include "core/format/finite.h"

namespace gist {

int32_t Sampler::Next(std::span<const float> logits) {
  if (sampling_.temperature <= 0.0f) {
    return int32_t(std::max_element(logits.begin(), logits.end()) -
                   logits.begin());
  }
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const size_t kept = sampling_.top_k > 0
                          ? std::min(size_t(sampling_.top_k), ids.size())
                          : ids.size();
  std::partial_sort(ids.begin(), ids.begin() + std::ptrdiff_t(kept), ids.end(),
                    [&](int32_t a, int32_t b) {
                      return logits[size_t(a)] != logits[size_t(b)]
                                 ? logits[size_t(a)] > logits[size_t(b)]
                                 : a < b;
                    });
  ids.resize(kept);

  std::vector<double> weights(kept);
  const double best = logits[size_t(ids[0])];
  for (size_t i = 0; i < kept; ++i) {
    weights[i] =
        std::exp((logits[size_t(ids[i])] - best) / sampling_.temperature);
  }
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (sampling_.top_p < 1.0f) {
    double sum = 0;
    size_t n = 0;
    while (n < kept && sum < double(sampling_.top_p) * total)
      sum += weights[n++];
    total = sum;
    weights.resize(std::max<size_t>(n, 1));
  }
  // Not std::uniform_real_distribution, whose numbers differ between libraries.
  double left = double(random_() >> 11) * 0x1.0p-53 * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return ids[i];
  }
  return ids[weights.size() - 1];
}

absl::Status CheckLogits(std::span<const float> logits) {
  const auto at = FirstNonFinite(logits);
  if (!at) return absl::OkStatus();
  return absl::InternalError(fmt::format(
      "decode: the logit of token {} is {}, want a finite number: the model's "
      "numbers overflow; use --weights float32, or choose another model or "
      "adapter",
      *at, logits[size_t(*at)]));
}

}  // namespace gist
