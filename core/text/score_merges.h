// Merges of a SentencePiece model, which has scores instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace gist {

struct ScoredMerge {
  int32_t left, right, merged;  // ids
};

// Every two pieces that make a third, best first: by the third's score, then
// the longer left piece, then the longer right one, as `transformers` converts
// a model. `ids`: the pieces that may be merged, valid UTF-8. `scores`: by id.
// Pieces of more than 512 bytes are not made.
std::vector<ScoredMerge> MergesByScore(
    const absl::flat_hash_map<std::string, int32_t>& ids,
    const std::vector<double>& scores);

}  // namespace gist
