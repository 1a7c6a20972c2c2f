// The adapters that gistd takes by itself for a model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/model/architectures/model_config.h"

namespace gist {

// Numbers, not bytes.
struct AdapterSize {
  int64_t lora = 0;        // float16 beside packed weights, else float32
  int64_t embeddings = 0;  // float32

  bool operator==(const AdapterSize&) const = default;
};

// None: of size 0.
struct InstalledAdapters {
  AdapterSize gist = {};
  AdapterSize answer = {};
};

// Of `folder`/default and `folder`/answer those that are made for the model.
// `fingerprint` gives the model's; it is called only if the shapes of an
// adapter fit, since it reads the whole file. What cannot be read is none.
InstalledAdapters FindInstalledAdapters(
    const std::string& folder, const ModelConfig& model,
    const std::function<std::string()>& fingerprint);

}  // namespace gist
