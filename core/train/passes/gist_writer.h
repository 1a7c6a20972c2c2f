// The write pass in training: Transformer::WriteGists for many documents, with
// gradients to the adapter.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/train/passes/block_attention.h"

namespace gist {

// Gists of a batch of documents, one after another, or whatever else stands
// before a question: for each layer [rows, kv_heads * head_dim].
struct WrittenGists {
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  // Keys: to the positions right after the shared prefix; else before RoPE.
  bool rotated = false;
};

WrittenGists WriteGists(const std::shared_ptr<const WritePlan>& plan,
                        const Adapter::Impl& adapter);

}  // namespace gist
