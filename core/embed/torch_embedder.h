// The real embedder: a sentence encoder, run by LibTorch.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/embed/embedder.h"

namespace gist {

// `folder` and errors: SentenceEncoder::Load's. `device`: made ready by
// PrepareDevice, as an engine on it does.
absl::StatusOr<std::unique_ptr<Embedder>> MakeTorchEmbedder(
    const std::string& folder, const std::string& device);

}  // namespace gist
