// The model types of config.json that are read: tables of their keys and
// tensors. For this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

// One value of model_type. All kinds share everything else.
struct HfKind {
  std::string_view model_type;
  std::string_view architecture;  // general.architecture in GGUF
  // Default of transformers if config.json has no such key.
  double rope_base = 10000;
  bool tied = false;  // the embedding is the output matrix too
  bool needs_head_dim = false, needs_kv_heads = false;  // else from the others
  std::string_view rope_types;  // beside "default", separated by spaces
  // Norm weights are stored less 1.
  bool norms_less_one = false;
  // partial_rotary_factor: RoPE may turn a leading share of a head alone.
  bool has_partial_rope = false;
  // post_attention_layernorm is of attention's result, before the sum. The
  // norms before and after the MLP have names of their own.
  bool has_post_norms = false;
};

// kUnimplemented lists the types that there are.
absl::StatusOr<HfKind> FindHfKind(std::string_view model_type);

enum class HfUse {
  kIgnored,    // changes nothing that is computed
  kSize,       // an integer of at least 1, under its name in GGUF
  kNumber,     // a number, under its name in GGUF
  kFixed,      // has to be `wanted`, or null
  kElsewhere,  // read by code: config.cc, rope.cc
};

struct HfKey {
  std::string_view name;
  HfUse use = HfUse::kIgnored;
  std::string_view gguf = "";    // behind the architecture and a dot
  std::string_view wanted = "";  // JSON
  std::string_view types = "";   // of model, separated by spaces; empty: all
  bool is_needed = false;
};

// Rows of a type's own come before those of all types.
std::span<const HfKey> HfKeys();
// Null: not known for this kind.
const HfKey* FindHfKey(std::string_view name, const HfKind& kind);

// "q_proj" in "k_proj q_proj"?
bool HasWord(std::string_view words, std::string_view word);

struct HfTensorName {
  std::string gguf;      // empty: the tensor is not wanted
  bool is_norm = false;  // of a norm
};
// kUnimplemented: a tensor that no table has.
absl::StatusOr<HfTensorName> GgufNameOf(std::string_view name,
                                        const HfKind& kind);

}  // namespace gist
