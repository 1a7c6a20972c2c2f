#include "core/text/merge_table.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace gist {
namespace {

// Up to here looking at every pair again beats a heap.
constexpr size_t kScanned = 48;

uint64_t Key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 |
         static_cast<uint32_t>(right);
}

}  // namespace

const MergeTable::Merge MergeTable::kNone = {
    std::numeric_limits<int32_t>::max(), -1};

void MergeTable::AppendMerged(std::vector<int32_t>* ids) const {
  for (const auto& [pair, merge] : merges_) ids->push_back(merge.merged);
}

bool MergeTable::Add(int32_t left, int32_t right, int32_t merged) {
  const auto rank = static_cast<int32_t>(merges_.size());
  return merges_.try_emplace(Key(left, right), Merge{rank, merged}).second;
}

MergeTable::Merge MergeTable::Find(int32_t left, int32_t right) const {
  const auto found = merges_.find(Key(left, right));
  return found == merges_.end() ? kNone : found->second;
}

size_t MergeTable::ApplyByScanning(int32_t* ids, size_t count) const {
  std::array<Merge, kScanned> pairs;  // pairs[i] joins ids[i] and ids[i + 1]
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = Find(ids[i], ids[i + 1]);
  while (count > 1) {
    const auto end = pairs.begin() + (count - 1);
    const auto best = std::min_element(
        pairs.begin(), end,
        [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (best->rank == kNone.rank) break;
    const size_t at = best - pairs.begin();
    ids[at] = best->merged;
    std::copy(ids + at + 2, ids + count, ids + at + 1);
    std::copy(best + 1, end, best);
    --count;
    if (at + 1 < count) pairs[at] = Find(ids[at], ids[at + 1]);
    if (at > 0) pairs[at - 1] = Find(ids[at - 1], ids[at]);
  }
  return count;
}

// A pair that could be merged when it was seen; stale once either side of it
// has been merged into something else.
struct MergeTable::Candidate {
  Merge merge;
  uint32_t left;
  // For a heap with the best pair, the leftmost of equals, on top.
  bool operator<(const Candidate& other) const {
    return std::pair(merge.rank, left) >
           std::pair(other.merge.rank, other.left);
  }
};

// A linked list of ids with a heap of candidates over it.
class MergeTable::LongWord {
 public:
  LongWord(const MergeTable& table, int32_t* ids, size_t count)
      : table_(table),
        ids_(ids),
        count_(static_cast<uint32_t>(count)),
        next_(count),
        previous_(count) {
    for (uint32_t i = 0; i < count_; ++i) {
      next_[i] = i + 1;
      previous_[i] = i - 1;  // of the first: unused
      Consider(i);
    }
    std::make_heap(heap_.begin(), heap_.end());
  }

  size_t Merge() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Candidate best = heap_.back();
      heap_.pop_back();
      if (IsStale(best)) continue;
      Join(best);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count_; i = next_[i]) ids_[kept++] = ids_[i];
    return kept;
  }

 private:
  // Appends the pair that begins at `left`, if it has a merge.
  bool Consider(uint32_t left) {
    if (next_[left] == count_) return false;
    const auto merge = table_.Find(ids_[left], ids_[next_[left]]);
    if (merge.rank == kNone.rank) return false;
    heap_.push_back({merge, left});
    return true;
  }

  void Push(uint32_t left) {
    if (Consider(left)) std::push_heap(heap_.begin(), heap_.end());
  }

  bool IsStale(const Candidate& pair) const {
    if (ids_[pair.left] == kGone || next_[pair.left] == count_) return true;
    const auto now = table_.Find(ids_[pair.left], ids_[next_[pair.left]]);
    return now.rank != pair.merge.rank;
  }

  void Join(const Candidate& pair) {
    const uint32_t right = next_[pair.left];
    ids_[pair.left] = pair.merge.merged;
    ids_[right] = kGone;
    next_[pair.left] = next_[right];
    if (next_[right] != count_) previous_[next_[right]] = pair.left;
    Push(pair.left);
    if (pair.left != 0) Push(previous_[pair.left]);
  }

  static constexpr int32_t kGone = -1;
  const MergeTable& table_;
  int32_t* const ids_;
  const uint32_t count_;  // also what follows the last
  std::vector<uint32_t> next_, previous_;
  std::vector<Candidate> heap_;
};

void MergeTable::Apply(size_t begin, std::vector<int32_t>* ids) const {
  int32_t* const word = ids->data() + begin;
  const size_t count = ids->size() - begin;
  const size_t kept = count <= kScanned ? ApplyByScanning(word, count)
                                        : LongWord(*this, word, count).Merge();
  ids->resize(begin + kept);
}

}  // namespace gist
