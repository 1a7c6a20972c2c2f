// Parameters to and from PEFT-style adapter folders.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/train/parameters.h"

namespace gist {

// What adapter_config.json says beside the recipe.
struct AdapterOrigin {
  std::string model_name;
  std::string model_fingerprint;
  std::string recipe_name;
  int steps = 0;
  bool float32 = false;  // the tensors' type; else bfloat16
};

// Writes adapter_config.json and adapter_model.safetensors into `folder`, which
// is made if need be: an Adapter's, or, of no gists a block, an
// AnswerAdapter's. Errors as SaveCheckpoint's.
absl::Status ExportAdapterFolder(const std::string& folder,
                                 const AdapterParameters& parameters,
                                 const GistLayout& layout,
                                 const AdapterOrigin& origin);

// `layout`, with gists where the adapter lays them.
GistLayout WithGistsOf(const AdapterConfig& config, GistLayout layout = {});

// Starts from an adapter that is there. LoRA of projections that it lacks stays
// as it is; of another number of gists a block, the last embeddings are taken,
// or all repeated. kFailedPrecondition: another model, or LoRA of another rank.
absl::Status ImportAdapterFolder(const std::string& folder,
                                 const ModelConfig& model,
                                 const std::string& model_fingerprint,
                                 AdapterParameters* parameters);

// The same of an AnswerAdapter's folder, which has no embeddings.
absl::Status ImportAnswerAdapterFolder(const std::string& folder,
                                       const ModelConfig& model,
                                       const std::string& model_fingerprint,
                                       AdapterParameters* parameters);

}  // namespace gist
