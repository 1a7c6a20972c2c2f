// The gist pass of a training: Transformer::WriteGists for many documents, with
// gradients to the adapter.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/train/passes/block_attention.h"

namespace gist {

// Keys and values before the questions: gists of a batch of documents, one
// after another, or text. For each layer [rows, kv_heads * head_dim].
struct WrittenGists {
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  // True: post-RoPE keys, at the positions right after the shared prefix.
  // False: pre-RoPE keys.
  bool rotated = false;
};

WrittenGists WriteGists(const std::shared_ptr<const WritePlan>& plan,
                        const Adapter::Impl& adapter);

}  // namespace gist
