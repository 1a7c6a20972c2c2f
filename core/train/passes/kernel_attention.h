// Gists looking at their blocks on a GPU, by the kernel of block_kernel.cu.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>

#include "core/train/passes/block_attention.h"
#include "core/train/passes/block_kernel.h"
#include "core/train/trainer.h"

namespace gist {

struct BlockKernels {
  BlockKernel forward = nullptr, backward = nullptr;
};

// Of libgist_cuda.so, if `model` is on a GPU, and its heads, its layers and the
// blocks of `layout` fit them: no window, RoPE over whole heads and unscaled.
std::optional<BlockKernels> KernelsFor(const BaseWeights& model,
                                       const GistLayout& layout);

// Where the blocks of `plan` and what they see lie.
std::shared_ptr<const KernelPlan> MakeKernelPlan(const WritePlan& plan,
                                                 BlockKernels kernels);

// BlockAttention (block_attention.h) where plan->kernel is set.
at::Tensor KernelAttention(const std::shared_ptr<const WritePlan>& plan,
                           int layer, const at::Tensor& query,
                           const at::Tensor& key, const at::Tensor& value);

}  // namespace gist
