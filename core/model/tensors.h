// The tensors behind the plain types of this folder. Included only here and in
// core/train: everything else stays free of LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/adapter.h"
#include "core/model/kv_cache.h"
#include "core/model/linear.h"
#include "core/model/model_config.h"
#include "core/model/transformer.h"

namespace gist {

struct KvCache::Impl {
  Impl(const ModelConfig& config, at::Device device);

  // Writes keys and values [kv_heads, n, head_dim] of `layer` behind the tokens
  // held. They count only after Commit(n), so that a pass that fails half-way
  // leaves the cache as it was.
  void Write(int layer, const at::Tensor& new_keys,
             const at::Tensor& new_values);
  void Commit(int n) { tokens += n; }
  void Reserve(int wanted_tokens);
  // Views [kv_heads, count, head_dim] of the first `count` tokens.
  at::Tensor Keys(int layer, int count) const;
  at::Tensor Values(int layer, int count) const;

  int kv_heads = 0;
  int head_dim = 0;
  int capacity = 0;
  int tokens = 0;
  std::vector<at::Tensor> keys;    // each [kv_heads, capacity, head_dim]
  std::vector<at::Tensor> values;  // likewise
};

// The projections that LoRA may change.
enum Projection {
  kQuery,
  kKey,
  kValue,
  kOutput,
  kGate,
  kUp,
  kDown,
  kProjections
};

// y = x W^T; W is [out, in].
struct LayerWeights {
  at::Tensor attention_norm;  // [hidden]
  Linear query;   // [heads * head_dim, hidden], rows in Hugging Face order
  Linear key;     // [kv_heads * head_dim, hidden], likewise
  Linear value;   // [kv_heads * head_dim, hidden]
  Linear output;  // [hidden, heads * head_dim]
  at::Tensor mlp_norm;  // [hidden]
  Linear gate;          // [mlp, hidden]
  Linear up;            // [mlp, hidden]
  Linear down;          // [hidden, mlp]
};

struct Weights {
  Linear embedding;        // [vocab, hidden]
  at::Tensor output_norm;  // [hidden]
  Linear output;           // [vocab, hidden]; the embedding where they are tied
  std::vector<LayerWeights> layers;
  int64_t bytes = 0;  // as float32, or as stored
  std::shared_ptr<const MappedFile>
      file;  // what quantized matrices lie in; or null
};

struct LoraPair {
  at::Tensor a;  // [r, in]; undefined where the projection is not adapted
  at::Tensor b;  // [out, r]
};

struct ProjectionSpec {
  std::string_view module;  // PEFT's name
  std::string_view parent;
  int64_t out = 0;
  int64_t in = 0;
};
// By Projection.
std::array<ProjectionSpec, kProjections> ProjectionSpecs(
    const ModelConfig& model);
// A LoRA matrix's name in PEFT's files, up to "A.weight" or "B.weight".
std::string LoraStem(int layer, const ProjectionSpec& spec);

struct Adapter::Impl {
  at::Tensor embeddings;  // [slots, hidden]
  std::vector<std::array<LoraPair, kProjections>> layers;
  float scale = 0;  // alpha / r
};

struct Transformer::Parts {
  ModelConfig config;
  Weights weights;
  at::Tensor frequencies;  // of RoPE: RopeFrequencies
  at::Device device;
};

}  // namespace gist
