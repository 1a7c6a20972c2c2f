// A document's own keys and values: the first step of every method.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "core/model/kv_cache.h"
#include "core/model/transformer.h"

namespace gist {

// Prefills a document behind the shared prefix, in isolated segments: a token
// attends to the prefix and to its own segment. Collects keys before RoPE and
// values of the whole document.
class DocumentPrefill {
 public:
  // `segment_tokens`: 0: the whole document is one causal segment. Model and
  // prefix outlive it.
  DocumentPrefill(const Transformer& model, const KvCache& prefix,
                  int segment_tokens);
  int tokens() const { return plain_.tokens(); }
  int64_t kv_bytes() const { return segment_.bytes() + plain_.bytes(); }
  // kOutOfRange: a segment exceeds the model's context.
  absl::Status Prefill(std::span<const int32_t> chunk);
  // Keys before RoPE.
  const KvCache& plain() const { return plain_; }

 private:
  absl::Status CheckRoom(int held, size_t more) const;

  const Transformer& model_;
  const KvCache& prefix_;
  const size_t segment_tokens_;
  KvCache segment_;  // the last one, rotated; restarts from the prefix
  KvCache plain_;
};

}  // namespace gist
