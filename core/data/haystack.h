// Whole documents: needles placed between the sentences of a natural text.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// Number of tokens of a text in the model in use.
using CountTokens = std::function<absl::StatusOr<int>(std::string_view text)>;

struct PlacedNeedle {
  std::string text;
  double depth = 0;  // wanted, share of the document's tokens
};

struct Haystack {
  std::string text;
  int tokens = 0;
  std::vector<size_t> offsets;  // of each needle, in bytes
};

// As many of the `filler` sentences as fit into `max_tokens` beside all
// needles, in their order (the last ones are those that still fit), joined by
// single spaces. Each needle stands on the sentence border nearest to its
// depth; those of equal depth stay in order. Errors: kInvalidArgument (the
// needles alone are longer than max_tokens); those of `count_tokens`.
absl::StatusOr<Haystack> BuildHaystack(std::span<const PlacedNeedle> needles,
                                       std::span<const std::string> filler,
                                       int max_tokens,
                                       const CountTokens& count_tokens);

}  // namespace gist
