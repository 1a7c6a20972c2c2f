// Gists looking at their blocks on a GPU: what the kernel of block_kernel.cu is
// given. Plain types: the kernel is compiled without LibTorch.
#pragma once

#include <cstdint>

namespace gist {

// All pointers are to the GPU's memory, floats unless said otherwise. A block
// is `group * rows` query rows, `group` = heads / kv_heads.
struct BlockKernelArgs {
  int blocks = 0;
  int most_rows = 0;  // gists of the block with the most
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int layer = 0;
  int segment_tokens = 0;
  int prefix_tokens = 0;

  // Of a tile, the part of one segment that a block sees.
  const int64_t* tile_kv = nullptr;      // address of the segment's keys and
                                         // values, half [layers, 2, kv_heads,
                                         // segment tokens, head_dim]
  const int32_t* tile_begin = nullptr;   // its first token, in the segment
  const int32_t* tile_tokens = nullptr;  // how many
  const int32_t* tile_start = nullptr;   // the segment's, in the document
  const int32_t* block_tiles = nullptr;  // [blocks + 1]: a block's first tile
  const int32_t* block_rows = nullptr;   // [blocks + 1]: its first gist
  const int32_t* positions = nullptr;    // [rows], the prefix counted

  const float* frequencies = nullptr;  // [head_dim / 2]
  const float* prefix_keys = nullptr;  // [prefix, kv_heads, head_dim], rotated
  const float* prefix_values = nullptr;  // likewise
  const float* query = nullptr;          // [rows, heads * head_dim]
  const float* key = nullptr;            // [rows, kv_heads * head_dim]
  const float* value = nullptr;          // likewise

  float* out = nullptr;      // [rows, heads * head_dim]
  float* log_sum = nullptr;  // [rows, heads]: of each row's exponentials

  const float* out_gradient = nullptr;
  float* query_gradient = nullptr;
  float* key_gradient = nullptr;
  float* value_gradient = nullptr;
};

// What the kernel takes.
inline constexpr int kMostBlockRows = 64;
inline bool FitsBlockKernel(int head_dim, int rows) {
  return head_dim % 16 == 0 && head_dim <= 128 && rows <= kMostBlockRows;
}

// Exported by libgist_cuda.so under these names. Work on the default stream of
// the device that holds `args.query`; null, or what went wrong.
using BlockKernel = const char* (*)(const BlockKernelArgs& args);
inline constexpr char kForwardName[] = "gist_block_attention";
inline constexpr char kBackwardName[] = "gist_block_attention_backward";

}  // namespace gist
