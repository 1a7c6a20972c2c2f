// The tensors behind the plain types of this folder. Only this folder and
// core/train include it; all other code stays free of LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/adapter.h"
#include "core/model/architectures/model_config.h"
#include "core/model/kv_cache.h"
#include "core/model/linear.h"
#include "core/model/transformer.h"

namespace gist {

struct KvCache::Impl {
  // `type`: kFloat or kHalf, how the numbers are kept.
  Impl(const ModelConfig& config, at::Device device, at::ScalarType type);

  // Writes keys and values [kv_heads, n, head_dim] of `layer` after the present
  // tokens. Commit(n) makes them count. A pass that fails before it leaves the
  // cache unchanged.
  void Write(int layer, const at::Tensor& new_keys,
             const at::Tensor& new_values);
  void Commit(int n) { tokens += n; }
  void Reserve(int wanted_tokens);
  // Float32 [kv_heads, count, head_dim] of the first `count` tokens; views
  // where the cache is float32.
  at::Tensor Keys(int layer, int count) const;
  at::Tensor Values(int layer, int count) const;

  int kv_heads = 0;
  int head_dim = 0;
  int capacity = 0;
  int tokens = 0;
  std::vector<at::Tensor> keys;    // each [kv_heads, capacity, head_dim]
  std::vector<at::Tensor> values;  // likewise
};

// The projections that LoRA can change.
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

// y = x W^T + bias; W is [out, in].
struct LayerWeights {
  at::Tensor attention_norm;  // [hidden]
  // Query and key rows are in Hugging Face's order: RoPE turns rows i and
  // i + head_dim / 2 of a head.
  Linear query;                         // [heads * head_dim, hidden]
  Linear key;                           // [kv_heads * head_dim, hidden]
  Linear value;                         // [kv_heads * head_dim, hidden]
  at::Tensor query_norm = {};           // [head_dim]; undefined: none
  at::Tensor key_norm = {};             // likewise
  Linear output;                        // [hidden, heads * head_dim]
  at::Tensor attention_post_norm = {};  // [hidden]; undefined: none
  at::Tensor mlp_norm;                  // [hidden]
  Linear gate;                          // [mlp, hidden]
  Linear up;                            // [mlp, hidden]
  Linear down;                          // [hidden, mlp]
  at::Tensor mlp_post_norm = {};        // [hidden]; undefined: none
};

struct Weights {
  Linear embedding;        // [vocab, hidden]
  at::Tensor output_norm;  // [hidden]
  Linear output;           // [vocab, hidden]; may be the embedding (tied)
  std::vector<LayerWeights> layers;
  int64_t bytes = 0;  // as float32, or as stored
  // Holds the bytes of quantized matrices; else null.
  std::shared_ptr<const void> file;
};

// All that a pass over the model reads. core/model/decoder.h runs its layers.
struct DecoderWeights {
  ModelConfig config;
  Weights weights;
  // Of RoPE, for each of config.kinds: LayerKind::frequencies, on the device.
  std::vector<at::Tensor> frequencies;

  at::Device device() const { return frequencies.at(0).device(); }
  size_t KindOf(int layer) const { return config.KindOf(layer); }
};

struct LoraPair {
  at::Tensor a;  // [r, in]; undefined: the projection has no LoRA
  at::Tensor b;  // [out, r]
  // Of a packed adapter, in place of b: float16 [r, out]. `a` is float16 then.
  at::Tensor b_columns = {};
};

struct ProjectionSpec {
  std::string_view module;  // PEFT's name
  std::string_view parent;
  int64_t out = 0;
  int64_t in = 0;
};
// Indexed by Projection.
std::array<ProjectionSpec, kProjections> ProjectionSpecs(
    const ModelConfig& model);
// A LoRA matrix's name in PEFT's files, without "A.weight" or "B.weight".
std::string LoraStem(int layer, const ProjectionSpec& spec);

struct Adapter::Impl {
  at::Tensor embeddings;  // [slots, hidden]
  std::vector<std::array<LoraPair, kProjections>> layers;
  float scale = 0;  // alpha / r
};

}  // namespace gist
