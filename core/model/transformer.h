// A Llama-architecture decoder that never changes: reads tokens into KV caches
// and writes gists through an adapter.
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
#include "core/format/mapped_file.h"
#include "core/gist/mask.h"
#include "core/model/adapter.h"
#include "core/model/kv_cache.h"
#include "core/model/model_config.h"

namespace gist {

enum class LogitRows { kNone, kLast, kAll };

// One sequence's part of a forward pass.
struct ForwardItem {
  KvCache* cache = nullptr;      // rotated keys; read, then appended to
  std::span<const int32_t> ids;  // at least one, each in the vocabulary
  // Also gets these tokens, keys before RoPE. Items in a row may share one,
  // which gets them in that order.
  KvCache* plain = nullptr;
  LogitRows logits = LogitRows::kNone;
  const TrainedReader* reader = nullptr;  // its LoRA acts on these tokens; one
                                          // at most in a batch, or null
};

// Weights are shared and constant; calls do not change the Transformer, but
// should come from one thread (LibTorch keeps a thread pool for each caller).
// Errors: kInvalidArgument (ids, shapes), kInternal (LibTorch threw).
class Transformer {
 public:
  // `device`: made ready by PrepareDevice. kQuantized wants `mapped`, the file
  // that `file` was parsed from, and keeps it.
  static absl::StatusOr<std::unique_ptr<Transformer>> Load(
      const Gguf& file, const std::string& device,
      WeightStorage storage = WeightStorage::kFloat32,
      std::shared_ptr<const MappedFile> mapped = nullptr);
  ~Transformer();

  const ModelConfig& config() const;
  int64_t weight_bytes() const;

  KvCache NewCache() const;

  // Runs all items in one batch. Positions go on from cache->tokens();
  // attention is causal within each item's cache. Returns each item's logits,
  // row-major [rows, vocab] with 0, 1 or ids.size() rows. A failed call leaves
  // all caches as they were.
  absl::StatusOr<std::vector<std::vector<float>>> Forward(
      std::span<const ForwardItem> items) const;

  // Runs the gist tokens behind `prefix` (rotated) and `context` (plain keys,
  // at positions prefix.tokens() on), under MayAttend(shape) and with the
  // adapter. `shape` has the sizes of both. Returns the gists' keys (plain) and
  // values.
  absl::StatusOr<GistKv> WriteGists(const KvCache& prefix,
                                    const KvCache& context,
                                    const MaskShape& shape,
                                    const Adapter& adapter) const;

  // Appends gists to a rotated cache, at the positions after what it holds.
  absl::Status LoadGists(const GistKv& gists, KvCache* cache) const;

  struct Parts;  // tensors: core/model/tensors.h
  const Parts& parts() const;

 private:
  struct Impl;
  explicit Transformer(std::unique_ptr<const Impl> impl);
  GistKv EmptyGistKv(int gist_tokens) const;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
