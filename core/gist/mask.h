// Who may attend to whom while a document is compressed and asked.
// Source: gist masking, Mu et al. 2023 (arXiv:2304.08467); gists that own
// blocks of the document are ours.
#pragma once

#include <string>
#include <vector>

namespace gist {

// One sequence: [prefix | context | gists | question | answer].
struct MaskShape {
  int context_tokens = 0;
  int gist_tokens = 0;
  int question_tokens = 0;
  int answer_tokens = 0;
  int prefix_tokens = 0;    // the shared prefix: seen by everything after it
  int gists_per_block = 0;  // the last block has those left; 0: one block
  int block_overlap_tokens =
      0;                   // context left of its block that a gist also sees
  int segment_tokens = 0;  // context is read in isolated pieces; 0: in one

  int gist_begin() const { return prefix_tokens + context_tokens; }
  int gist_end() const { return gist_begin() + gist_tokens; }
  int total() const { return gist_end() + question_tokens + answer_tokens; }
};

// Blocks that so many gists make.
inline int BlockCount(int gist_tokens, int gists_per_block) {
  return (gist_tokens + gists_per_block - 1) / gists_per_block;
}

// What gist `index` stands for: block `block` of the context. A block's share
// of the context is its share of the gists.
struct GistSlot {
  int block = 0;
  int slot = 0;           // which of the block's gists; chooses the embedding
  int context_begin = 0;  // it sees context tokens [context_begin, context_end)
  int context_end = 0;
  int position = 0;  // where it is written, counted from the context's start
};
GistSlot SlotOf(const MaskShape& shape, int index);

// May the token at `query` attend to the one at `key`? Both count from the
// start of the sequence.
//   prefix and context: causal; context only within its segment
//   a gist: the prefix, its block's context, earlier gists of its block
//   question and answer: the prefix, all gists, themselves causally; never the
//   context
bool MayAttend(const MaskShape& shape, int query, int key);

// The same as an additive mask, row-major [1, 1, total, total] (query, key):
// 0 where attention is allowed, minus infinity elsewhere.
std::vector<float> AttentionMask(const MaskShape& shape);

// A picture of it: queries down, keys across, one square each.
std::string DrawMaskSvg(const MaskShape& shape);

}  // namespace gist
