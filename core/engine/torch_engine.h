// The real engine: a GGUF model and an adapter, run by LibTorch.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/weight_storage.h"
#include "core/engine/engine.h"

namespace gist {

struct TorchEngineOptions {
  std::string model_path;           // GGUF file
  std::string adapter_path;         // PEFT-style folder; empty: none
  std::string answer_adapter_path;  // likewise
  // False: the engine also starts without the answer adapter, if that is not
  // there or made for another model.
  bool answer_adapter_required = true;
  std::string device = "cpu";
  int threads = 0;  // of one matrix product; 0: ChooseThreads
  WeightStorage weights = WeightStorage::kFloat32;
  std::string chat_template;  // LoadBaseModel's; empty: the file's own
};

// Loads and checks everything, and reads the shared prefix. Errors name the
// file and what is wrong with it: kNotFound, kUnimplemented, kDataLoss,
// kInvalidArgument, kFailedPrecondition (an adapter is of another model).
absl::StatusOr<std::unique_ptr<Engine>> MakeTorchEngine(
    const TorchEngineOptions& options);

}  // namespace gist
