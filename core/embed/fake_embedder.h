// An embedder without a model: texts that share words are near each other.
#pragma once

#include <atomic>
#include <functional>

#include "core/embed/embedder.h"

namespace gist {

struct FakeEmbedderOptions {
  std::string seed = "fake";  // another one: another fingerprint
  int max_text_tokens = 256;
  // Runs before each Embed; an error becomes the call's result.
  std::function<absl::Status()> before_embed;
};

// A word is a token: what stands between spaces. Chunks are runs of words.
// Queries and passages are alike to it, and counted apart.
class FakeEmbedder : public Embedder {
 public:
  explicit FakeEmbedder(FakeEmbedderOptions options = {});
  const EmbedderInfo& info() const override { return info_; }
  absl::StatusOr<std::vector<Chunk>> Chunks(
      std::string_view text, const ChunkOptions& options) const override;
  absl::StatusOr<std::vector<float>> Embed(
      std::span<const std::string_view> texts, TextKind kind) override;

  // Texts that were embedded so far; may be read from any thread.
  int embedded() const { return queries_ + passages_; }
  int queries() const { return queries_; }

 private:
  const FakeEmbedderOptions options_;
  const EmbedderInfo info_;
  std::atomic<int> queries_ = 0, passages_ = 0;
};

}  // namespace gist
