// The serving passes of a constant base model: prefill and decode with KV
// caches, and gists through an adapter.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/gist_kv.h"
#include "core/base/weight_storage.h"
#include "core/format/gguf.h"
#include "core/gist/mask.h"
#include "core/model/adapter.h"
#include "core/model/architectures/model_config.h"
#include "core/model/kv_cache.h"

namespace gist {

struct DecoderWeights;  // core/model/tensors.h

enum class LogitRows { kNone, kLast, kAll };

// One sequence's part of a forward pass.
struct ForwardItem {
  // Post-RoPE keys. The pass attends to it and appends to it.
  KvCache* cache = nullptr;
  std::span<const int32_t> ids;  // at least one, each in the vocabulary
  // Also appends the tokens here, with pre-RoPE keys, unless null. Adjacent
  // items may share one; it gets their tokens in that order.
  KvCache* plain = nullptr;
  LogitRows logits = LogitRows::kNone;
  // The answer adapter for these tokens, or null. A batch has at most one.
  const AnswerAdapter* answer_adapter = nullptr;
};

// Weights are shared and constant. Calls do not change the Transformer, but
// should come from one thread, because LibTorch keeps a thread pool for each
// caller. Errors: kInvalidArgument (ids, shapes), kInternal (LibTorch threw).
class Transformer {
 public:
  // Call PrepareDevice(device) before. kQuantized keeps `owner`, which holds
  // the bytes of `file`'s tensors.
  static absl::StatusOr<std::unique_ptr<Transformer>> Load(
      const Gguf& file, const std::string& device,
      WeightStorage storage = WeightStorage::kFloat32,
      std::shared_ptr<const void> owner = nullptr);
  ~Transformer();

  const ModelConfig& config() const;
  int64_t weight_bytes() const;
  // Are matrices packed (WeightStorage::kQuantized on a CPU)? Then keys and
  // values are float16, else float32.
  bool is_packed() const;

  KvCache NewCache() const;

  // Runs all items in one batch. An item's positions start at cache->tokens(),
  // and its attention is causal within its cache. Returns each item's logits,
  // row-major [rows, vocab] with 0, 1 or ids.size() rows. A failed call leaves
  // all caches unchanged.
  absl::StatusOr<std::vector<std::vector<float>>> Forward(
      std::span<const ForwardItem> items) const;

  // Runs gist tokens after `prefix` (post-RoPE keys) and `context` (pre-RoPE
  // keys, first position prefix.tokens()), under MayAttend(shape), with the
  // adapter. `shape` has the sizes of both. Returns pre-RoPE keys and values of
  // the gists.
  absl::StatusOr<GistKv> WriteGists(const KvCache& prefix,
                                    const KvCache& context,
                                    const MaskShape& shape,
                                    const Adapter& adapter) const;

  // Appends gists to a cache of post-RoPE keys, at the positions after its
  // present ones.
  absl::Status LoadGists(const GistKv& gists, KvCache* cache) const;

  const DecoderWeights& weights() const;

 private:
  struct Impl;
  explicit Transformer(std::unique_ptr<const Impl> impl);
  GistKv EmptyGistKv(int gist_tokens) const;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
