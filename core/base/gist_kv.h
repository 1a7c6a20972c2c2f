// What is kept of a document: the keys and values of its gist tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gist {

// Plain values, no device, no tensor. Keys are stored before RoPE in the
// Hugging Face order of a head's dimensions (first half, second half), so that
// gists can be given any position when they are used.
struct GistKv {
  int layers = 0;
  int kv_heads = 0;
  int gist_tokens = 0;
  int head_dim = 0;
  // Both row-major [layers, kv_heads, gist_tokens, head_dim].
  std::vector<float> keys = {};
  std::vector<float> values = {};

  // Elements of `keys` (and of `values`) that the four sizes ask for.
  size_t Elements() const {
    return size_t(layers) * size_t(kv_heads) * size_t(gist_tokens) *
           size_t(head_dim);
  }
  friend bool operator==(const GistKv&, const GistKv&) = default;
};

}  // namespace gist
