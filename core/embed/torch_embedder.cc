#include "core/embed/torch_embedder.h"

#include <filesystem>
#include <utility>

#include "core/base/status.h"
#include "core/embed/encoder.h"

namespace gist {
namespace {

class TorchEmbedder final : public Embedder {
 public:
  TorchEmbedder(std::unique_ptr<SentenceEncoder> encoder, std::string name)
      : encoder_(std::move(encoder)),
        info_{.name = std::move(name),
              .fingerprint = encoder_->fingerprint(),
              .dimensions = encoder_->dimensions(),
              .max_text_tokens = encoder_->max_text_tokens(),
              .weight_bytes = encoder_->weight_bytes()} {}

  const EmbedderInfo& info() const override { return info_; }
  absl::StatusOr<std::vector<Chunk>> Chunks(
      std::string_view text, const ChunkOptions& options) const override {
    return ChunkText(text, encoder_->tokenizer(), options);
  }
  absl::StatusOr<std::vector<float>> Embed(
      std::span<const std::string_view> texts, TextKind kind) override {
    return encoder_->Encode(texts, kind);
  }

 private:
  const std::unique_ptr<SentenceEncoder> encoder_;
  const EmbedderInfo info_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Embedder>> MakeTorchEmbedder(
    const std::string& folder, const std::string& device) {
  auto encoder = SentenceEncoder::Load(folder, device);
  if (!encoder.ok()) return Within("embedder " + folder, encoder.status());
  const std::filesystem::path path(folder);
  return std::make_unique<TorchEmbedder>(
      *std::move(encoder), (path / "").parent_path().filename().string());
}

}  // namespace gist
