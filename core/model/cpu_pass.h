// Passes of a packed model on a CPU, without LibTorch's operators: forward
// passes over text, and gists, which it writes and loads.
//
// The same layers as core/model/decoder.h, which is the reference. Products
// are those of core/kernels: weights in 4 or 8 bits, activations in 8. Keys and
// values are float16 in the caches and float32 in the arithmetic. A row's
// result depends neither on the other rows of a batch nor on the processor's
// number of threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/gist_kv.h"
#include "core/gist/mask.h"
#include "core/kernels/thread_team.h"
#include "core/model/kv_cache.h"
#include "core/model/tensors.h"
#include "core/model/transformer.h"

namespace gist {

// Borrows the weights, which are packed (QuantizedMatrix::packed). Keeps its
// buffers between calls. One call at a time.
class CpuPass {
 public:
  // The model's weights and the team outlive it.
  CpuPass(const DecoderWeights& model, ThreadTeam& team);
  ~CpuPass();

  // Transformer::Forward, with checked ids.
  std::vector<std::vector<float>> Forward(std::span<const ForwardItem> items);

  // Transformer::WriteGists, with a checked shape.
  GistKv WriteGists(const KvCache& prefix, const KvCache& context,
                    const MaskShape& shape, const Adapter& adapter);

  // Transformer::LoadGists, with a checked shape.
  void LoadGists(const GistKv& gists, KvCache* cache);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace gist
