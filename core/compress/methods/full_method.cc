#include "core/compress/methods/full_method.h"

#include <utility>

#include "core/compress/methods/document_prefill.h"

namespace gist {
namespace {

class FullCompression final : public Compression {
 public:
  FullCompression(const Transformer& model, const KvCache& prefix)
      : model_(model), document_(model, prefix, /*segment_tokens=*/0) {}

  int tokens() const override { return document_.tokens(); }
  int64_t kv_bytes() const override { return document_.kv_bytes(); }
  absl::Status Prefill(std::span<const int32_t> chunk) override {
    return document_.Prefill(chunk);
  }
  absl::StatusOr<CompressedKv> Finish(const CompressionSpec& spec) override {
    const ModelConfig& config = model_.config();
    GistKv dense{.layers = config.layers,
                 .kv_heads = config.kv_heads,
                 .gist_tokens = document_.tokens(),
                 .head_dim = config.head_dim};
    dense.keys.resize(dense.Elements());
    dense.values.resize(dense.Elements());
    document_.plain().CopyTo(dense.keys.data(), dense.values.data());
    CompressedKv kv = FromDense(dense);
    for (size_t slot = 0; slot < kv.TotalSlots(); ++slot) {
      kv.positions.push_back(uint32_t(slot % size_t(dense.gist_tokens)));
    }
    dense = {};  // as large as `kv`
    return InStorage(std::move(kv), spec.storage);
  }

 private:
  const Transformer& model_;
  DocumentPrefill document_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Compression>> FullMethod::Begin() const {
  return std::make_unique<FullCompression>(model_, prefix_);
}

}  // namespace gist
