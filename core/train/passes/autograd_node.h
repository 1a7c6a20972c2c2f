// A gradient of our own making, for LibTorch's autograd.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <memory>
#include <type_traits>
#include <utility>

namespace gist {

// LibTorch counts a node's references in the node itself; 2.11 did so beside
// it.
template <typename Node>
auto MakeNode() {
  if constexpr (std::is_base_of_v<c10::intrusive_ptr_target, Node>) {
    return c10::make_intrusive<Node>();
  } else {
    return std::make_shared<Node>();
  }
}

// `out` came from query, key and value, whose gradients `node` makes of out's.
template <typename NodePointer>
void SetHistory(const at::Tensor& out, NodePointer node,
                const at::Tensor& query, const at::Tensor& key,
                const at::Tensor& value) {
  node->set_next_edges(torch::autograd::collect_next_edges(query, key, value));
  torch::autograd::set_history(out, std::move(node));
}

}  // namespace gist
