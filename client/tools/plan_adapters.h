// The adapters that gistd takes by itself for a model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/model/architectures/model_config.h"

namespace gist {

// In memory, in float32. 0: none.
struct InstalledAdapters {
  int64_t gist_bytes = 0;
  int64_t answer_bytes = 0;
};

// Of `folder`/default and `folder`/answer those that are made for the model.
// `fingerprint` gives the model's; it is called only if the shapes of an
// adapter fit, since it reads the whole file. What cannot be read is none.
InstalledAdapters FindInstalledAdapters(
    const std::string& folder, const ModelConfig& model,
    const std::function<std::string()>& fingerprint);

}  // namespace gist
