// Sizes and constants of a decoder model.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/model/architectures/architecture.h"
#include "core/model/architectures/layer_kind.h"

namespace gist {

struct ModelConfig {
  Architecture architecture;
  std::string name;
  int layers = 0;
  int hidden_size = 0;
  int heads = 0;
  int kv_heads = 0;  // divides heads (grouped-query attention)
  int head_dim = 0;  // even
  int mlp_size = 0;
  int vocab_size = 0;
  int max_context_tokens = 0;
  float rms_norm_epsilon = 1e-5f;
  float embedding_scale = 1;  // of the rows of token_embd
  // Of queries, beside 1 / sqrt(head_dim).
  float query_scale = 1;
  std::vector<LayerKind> kinds = {};  // at least one in a file's configuration
  std::vector<int> kind_of_layer = {};  // into kinds; empty: 0 for each

  size_t KindOf(int layer) const {
    return kind_of_layer.empty() ? 0 : size_t(kind_of_layer[size_t(layer)]);
  }

  // Reads the keys of the architecture that the file names. kUnimplemented: an
  // architecture without a row in the table, or a key, a value or a tensor that
  // is not supported or not known, named; kDataLoss: sizes are missing or
  // contradict each other.
  static absl::StatusOr<ModelConfig> FromGguf(const Gguf& file);
  // Reads the keys of `architecture`, whichever the file names.
  static absl::StatusOr<ModelConfig> FromGguf(const Gguf& file,
                                              const Architecture& architecture);
};

}  // namespace gist
