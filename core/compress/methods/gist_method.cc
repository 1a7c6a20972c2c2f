#include "core/compress/methods/gist_method.h"

#include <utility>

#include "core/base/status.h"
#include "core/compress/methods/document_prefill.h"

namespace gist {
namespace {

class GistCompression final : public Compression {
 public:
  GistCompression(const Transformer& model, const KvCache& prefix,
                  std::shared_ptr<const Adapter> adapter)
      : model_(model),
        prefix_(prefix),
        adapter_(std::move(adapter)),
        document_(model, prefix, adapter_->config().segment_tokens) {}

  int tokens() const override { return document_.tokens(); }
  int64_t kv_bytes() const override { return document_.kv_bytes(); }
  absl::Status Prefill(std::span<const int32_t> chunk) override {
    return document_.Prefill(chunk);
  }
  absl::StatusOr<CompressedKv> Finish(const CompressionSpec& spec) override {
    const AdapterConfig& adapter = adapter_->config();
    const MaskShape shape{.context_tokens = document_.tokens(),
                          .gist_tokens = spec.gist_tokens,
                          .prefix_tokens = prefix_.tokens(),
                          .gists_per_block = adapter.gists_per_block,
                          .block_overlap_tokens = adapter.block_overlap_tokens,
                          .segment_tokens = adapter.segment_tokens};
    GIST_ASSIGN_OR_RETURN(
        const GistKv gists,
        model_.WriteGists(prefix_, document_.plain(), shape, *adapter_));
    return FromDense(gists);
  }

 private:
  const Transformer& model_;
  const KvCache& prefix_;
  const std::shared_ptr<const Adapter> adapter_;
  DocumentPrefill document_;
};

}  // namespace

GistMethod::GistMethod(const Transformer& model, const KvCache& prefix,
                       std::shared_ptr<const Adapter> adapter)
    : model_(model), prefix_(prefix), adapter_(std::move(adapter)) {}

absl::StatusOr<std::unique_ptr<Compression>> GistMethod::Begin() const {
  return std::make_unique<GistCompression>(model_, prefix_, adapter_);
}

}  // namespace gist
