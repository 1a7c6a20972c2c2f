// Byte-pair encoding: which neighbouring tokens become one, and in what order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace gist {

// Filled once, then immutable and thread-safe. Source: Sennrich et al. 2016
// (arXiv:1508.07909).
class MergeTable {
 public:
  // Adds the next merge; each is worse than all before it. False: the pair has
  // a merge already, and nothing changed.
  bool Add(int32_t left, int32_t right, int32_t merged);

  // Merges (*ids)[begin..] in place: the best pair first, the leftmost of
  // equals, until no neighbours have a merge. n log n in the number of ids, of
  // which there are at most 2^31.
  void Apply(size_t begin, std::vector<int32_t>* ids) const;
  // Appends what each merge makes.
  void AppendMerged(std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    int32_t rank;  // 0 is the best
    int32_t merged;
  };
  struct Candidate;
  class LongWord;

  // The merge of two neighbours; kNone if they have none.
  Merge Find(int32_t left, int32_t right) const;
  // Returns how many ids are left at the front of `ids`.
  size_t ApplyByScanning(int32_t* ids, size_t count) const;

  static const Merge kNone;
  absl::flat_hash_map<uint64_t, Merge> merges_;
};

}  // namespace gist
