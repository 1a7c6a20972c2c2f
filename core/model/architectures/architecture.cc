#include "core/model/architectures/architecture.h"

#include <algorithm>
#include <string>

#include "core/base/status.h"

namespace gist {
namespace {

// To add a Llama-like model:
// 1. Add a row here. `gguf-dump FILE` shows its name, key prefix and tensors.
//    Keys and tensors that no row knows are refused (known_names.cc,
//    expected_tensors.cc).
// 2. If its norm or activation is new, add the enumerator in architecture.h and
//    its case in decoder.cc.
// 3. If its tokenizer is new, add the pre-tokenizer in
//    core/text/words/named_pre_tokenizers.cc and the template in
//    core/text/chat_template.cc.
// 4. Add a fixture to tests/reference/fixtures.py and its name to
//    tests/core/model/fixtures.h. Two suites then compare logits, greedy
//    tokens, gists and gradients with PyTorch.
constexpr Architecture kArchitectures[] = {
    // Llama, Mistral, SmolLM2 and many others.
    {.name = "llama",
     .key_prefix = "llama",
     .rope_order = RopeOrder::kInterleaved,
     .rope_factors = RopeFactors::kFreqs},
    {.name = "qwen2", .key_prefix = "qwen2", .attention_biases = true},
    {.name = "qwen3", .key_prefix = "qwen3", .qk_norms = true},
    {.name = "gemma3",
     .key_prefix = "gemma3",
     .qk_norms = true,
     .post_norms = true,
     .scaled_embeddings = true,
     .wide_query_layers = 62,  // the 27B model
     .window_period = 6,
     .local_rope_base = 10000,
     .activation = Activation::kGelu},
    {.name = "phi3",
     .key_prefix = "phi3",
     .fused_tensors = true,
     .rope_factors = RopeFactors::kLongAndShort},
    {.name = "smollm3",
     .key_prefix = "smollm3",
     .rope_order = RopeOrder::kInterleaved,
     .no_rope_period = 4},
};

}  // namespace

std::span<const Architecture> Architectures() { return kArchitectures; }

absl::StatusOr<Architecture> FindArchitecture(std::string_view name) {
  const auto row = std::ranges::find(kArchitectures, name, &Architecture::name);
  if (row != std::end(kArchitectures)) return *row;
  std::string names;
  for (const Architecture& each : kArchitectures) {
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", each.name);
  }
  return absl::UnimplementedError(
      fmt::format("architecture {:?} is not supported, want one of {}: use a "
                  "model of one of these architectures",
                  name, names));
}

}  // namespace gist
