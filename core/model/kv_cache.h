// Keys and values of consecutive tokens, for all layers.
#pragma once

#include <cstdint>
#include <memory>

namespace gist {

// For each layer keys and values [kv_heads, tokens, head_dim] on the model's
// device: float32, or float16 for a packed model on a CPU. The caller fills it
// with post-RoPE keys (ready for attention) or with pre-RoPE keys. Grows by
// doubling; not thread-safe.
class KvCache {
 public:
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;
  ~KvCache();

  // With room for `more` tokens.
  KvCache Clone(int more = 0) const;
  int tokens() const;
  // Forgets all but the first `tokens` (at most tokens()); keeps the memory.
  void Truncate(int tokens);
  // Writes keys and values as float32, row-major [layers, kv_heads, tokens,
  // head_dim].
  void CopyTo(float* keys, float* values) const;
  // Memory held, room for growth included.
  int64_t bytes() const;

  struct Impl;  // tensors: core/model/tensors.h
  explicit KvCache(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace gist
