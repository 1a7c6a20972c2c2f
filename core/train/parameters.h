// What is trained: LoRA and gist embeddings, with their gradients and moments.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/model/tensors.h"
#include "core/train/trainer.h"

namespace gist {

// Where one tensor lies in the flat buffers.
struct ParameterSlice {
  std::string name;  // as in PEFT's files
  std::vector<int64_t> shape;
  int64_t begin = 0;
  int64_t elements = 0;
};

// All parameters in one flat float32 buffer: the optimizer, the norm and the
// checkpoint see one tensor. LoRA comes first, the gist embeddings last; a
// layout of no gists a block has none. A's
// start normal with variance 1 / in, B's at zero (arXiv:2106.09685), embeddings
// at zero.
class AdapterParameters {
 public:
  AdapterParameters(const ModelConfig& model, const GistLayout& layout,
                    at::Device device, Rng& rng);

  // Views of the buffer, with gradients.
  const Adapter::Impl& adapter() const { return adapter_; }
  const ModelConfig& model() const { return model_; }
  const std::vector<ParameterSlice>& slices() const { return slices_; }
  int64_t embeddings_begin() const { return embeddings_begin_; }

  // Flat, each [elements], without gradients of their own.
  at::Tensor values, gradients, first_moments, second_moments;

  // A slice of one of them as its own shape, a view.
  static at::Tensor View(const at::Tensor& flat, const ParameterSlice& slice);

 private:
  at::Tensor MakeLeaf(const ParameterSlice& slice);

  const ModelConfig model_;
  std::vector<ParameterSlice> slices_;
  int64_t embeddings_begin_ = 0;
  Adapter::Impl adapter_;
};

// What a training of this recipe starts from: the same for the same seed.
AdapterParameters InitialParameters(const ModelConfig& model,
                                    const TrainRecipe& recipe,
                                    at::Device device);

// Name of the gist embeddings in files.
inline constexpr char kEmbeddingsName[] = "gist_embeddings";

}  // namespace gist
