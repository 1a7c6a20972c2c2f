// The full rung: keys and values of every token of the document.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/compress/method.h"
#include "core/model/kv_cache.h"
#include "core/model/transformer.h"

namespace gist {

// The causal prefill of a prompt that begins with the document. Slot i of every
// head has position i, so that keys are rotated back to where they stood.
class FullMethod final : public CompressionMethod {
 public:
  // Model and prefix (rotated) outlive all compressions.
  FullMethod(const Transformer& model, const KvCache& prefix)
      : model_(model), prefix_(prefix) {}
  std::string_view name() const override { return "full"; }
  absl::StatusOr<std::unique_ptr<Compression>> Begin() const override;

 private:
  const Transformer& model_;
  const KvCache& prefix_;
};

}  // namespace gist
