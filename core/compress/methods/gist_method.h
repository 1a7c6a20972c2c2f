// Gists: keys and values of trained gist tokens.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/compress/method.h"
#include "core/model/adapter.h"
#include "core/model/kv_cache.h"
#include "core/model/transformer.h"

namespace gist {

// spec.gist_tokens gists read the document, prefilled in the adapter's
// segments. The result is kF32 and has no positions.
class GistMethod final : public CompressionMethod {
 public:
  // Model and prefix (rotated) outlive all compressions.
  GistMethod(const Transformer& model, const KvCache& prefix,
             std::shared_ptr<const Adapter> adapter);
  std::string_view name() const override { return "gist"; }
  absl::StatusOr<std::unique_ptr<Compression>> Begin() const override;

 private:
  const Transformer& model_;
  const KvCache& prefix_;
  const std::shared_ptr<const Adapter> adapter_;
};

}  // namespace gist
