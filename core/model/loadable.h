// Does a model load? Asked without loading it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/model/model_source.h"

namespace gist {

// OK: LoadBaseModel takes the model with this `chat_template`, which is as
// ReadModelText takes it; memory and device apart. Else LoadBaseModel's error:
// sizes, names and dims of tensors, numbers that are infinite or NaN,
// tokenizer, template. Reads the tensors' bytes and keeps none.
absl::Status CheckLoadable(const ModelSource& model,
                           const std::string& chat_template);

}  // namespace gist
