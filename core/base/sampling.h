// How the next token is drawn from the model's logits.
#pragma once

#include <cstdint>

namespace gist {

struct Sampling {
  float temperature = 0.0f;  // 0: greedy
  float top_p = 1.0f;        // (0, 1]: smallest set of this probability; 1: all
  int top_k = 0;             // the k most likely; 0: all
  uint64_t seed = 0;         // the same seed gives the same answer
};

}  // namespace gist
