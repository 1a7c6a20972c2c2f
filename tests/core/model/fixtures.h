// The tiny random models of tests/data/architectures, one for each architecture
// and kind of RoPE (tests/reference/fixtures.py).
#pragma once

#include <string>
#include <vector>

#include "core/model/device.h"
#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"

namespace gist {

inline std::vector<std::string> Fixtures() {
  return {"llama3", "llama_linear", "mistral", "qwen2",     "qwen2_yarn",
          "qwen3",  "gemma3",       "phi3",    "phi3_long", "smollm3"};
}

inline std::string FixtureFolder(const std::string& name) {
  return "tests/data/architectures/" + name;
}
// On one thread: for models this small a second one only costs.
inline LoadedModel LoadFixture(
    const std::string& name, WeightStorage weights = WeightStorage::kFloat32) {
  SetThreads(1);
  return LoadModel(FixtureFolder(name) + "/model.gguf", weights);
}
inline Golden FixtureGolden(const std::string& name) {
  return Golden("architectures/" + name + "/golden.safetensors");
}

}  // namespace gist
