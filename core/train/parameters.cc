#include "core/train/parameters.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numbers>

#include "core/train/train_sample.h"
#include "fmt/format.h"

namespace gist {
namespace {

using at::Tensor;

// Box and Muller: two uniform numbers make a normal one.
float Normal(Rng& rng) {
  const double u = 1 - rng.Uniform(), v = rng.Uniform();
  return float(std::sqrt(-2 * std::log(u)) *
               std::cos(2 * std::numbers::pi * v));
}

void FillNormal(Tensor out, double deviation, Rng& rng) {
  Tensor host = out.cpu().contiguous();
  float* const values = host.mutable_data_ptr<float>();
  for (int64_t i = 0; i < host.numel(); ++i)
    values[i] = float(deviation) * Normal(rng);
  out.copy_(host);
}

}  // namespace

Tensor AdapterParameters::View(const Tensor& flat,
                               const ParameterSlice& slice) {
  return flat.narrow(0, slice.begin, slice.elements).view(slice.shape);
}

// Autograd adds to a gradient that is there, so all gradients lie in one
// buffer.
Tensor AdapterParameters::MakeLeaf(const ParameterSlice& slice) {
  Tensor leaf = View(values, slice).detach();
  leaf.set_requires_grad(true);
  leaf.mutable_grad() = View(gradients, slice);
  return leaf;
}

AdapterParameters::AdapterParameters(const ModelConfig& model,
                                     const GistLayout& layout,
                                     at::Device device, Rng& rng)
    : model_(model) {
  const at::NoGradGuard no_grad;
  int64_t elements = 0;
  const auto add = [&](std::string name, int64_t rows, int64_t columns) {
    slices_.push_back(
        {std::move(name), {rows, columns}, elements, rows * columns});
    elements += rows * columns;
  };
  const auto specs = ProjectionSpecs(model);
  const int targets = layout.lora_mlp ? kProjections : kOutput + 1;
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int target = 0; target < targets; ++target) {
      const ProjectionSpec& spec = specs[size_t(target)];
      const std::string stem = LoraStem(layer, spec);
      add(stem + "A.weight", layout.lora_r, spec.in);
      add(stem + "B.weight", spec.out, layout.lora_r);
    }
  }
  const size_t lora_slices = slices_.size();
  embeddings_begin_ = elements;
  if (layout.gists_per_block > 0)
    add(kEmbeddingsName, layout.gists_per_block, model.hidden_size);

  const auto options = at::TensorOptions(at::kFloat).device(device);
  values = at::zeros({elements}, options);
  gradients = at::zeros({elements}, options);
  first_moments = at::zeros({elements}, options);
  second_moments = at::zeros({elements}, options);
  adapter_.scale = float(layout.lora_alpha) / float(layout.lora_r);
  adapter_.layers.resize(size_t(model.layers));
  for (size_t i = 0; i < lora_slices; i += 2) {
    FillNormal(View(values, slices_[i]),
               1 / std::sqrt(double(slices_[i].shape[1])), rng);
    adapter_.layers[i / 2 / size_t(targets)][i / 2 % size_t(targets)] = {
        MakeLeaf(slices_[i]), MakeLeaf(slices_[i + 1])};
  }
  if (layout.gists_per_block > 0)
    adapter_.embeddings = MakeLeaf(slices_.back());
}

AdapterParameters InitialParameters(const ModelConfig& model,
                                    const TrainRecipe& recipe,
                                    at::Device device) {
  Rng rng = DerivedRng(recipe.seed, /*stream=*/0, 0);
  return AdapterParameters(model, recipe.layout, device, rng);
}

}  // namespace gist
