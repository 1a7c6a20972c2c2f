#include "core/model/loadable.h"

#include "core/base/status.h"
#include "core/model/architectures/expected_tensors.h"
#include "core/model/architectures/model_config.h"
#include "core/model/model_text.h"

namespace gist {

absl::Status CheckLoadable(const ModelSource& model,
                           const std::string& chat_template) {
  const Gguf& file = model.gguf();
  GIST_ASSIGN_OR_RETURN(const ModelConfig config, ModelConfig::FromGguf(file));
  GIST_RETURN_IF_ERROR(CheckTensorDims(file, config));
  GIST_RETURN_IF_ERROR(ReadModelText(model, chat_template).status());
  for (const auto& [name, tensor] : file.tensors())
    GIST_RETURN_IF_ERROR(CheckFinite(tensor));
  return absl::OkStatus();
}

}  // namespace gist
