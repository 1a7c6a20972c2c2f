#include "core/model/architecture.h"

#include <algorithm>
#include <string>

#include "core/base/status.h"

namespace gist {
namespace {

// To add a Llama-like model:
// 1. Add a row here. `gguf-dump FILE` shows its name, key prefix and tensors.
// 2. If its norm or activation is new, add the enumerator in architecture.h and
//    its case in decoder.cc.
// 3. If its tokenizer is new, add the pre-tokenizer in
//    core/text/words/named_pre_tokenizers.cc and the template in
//    core/text/chat_template.cc.
// 4. Add a tiny random model to tests/reference/tiny_model.py and compare its
//    logits in tests/core/model/transformer_test.cc.
constexpr Architecture kArchitectures[] = {
    {.name = "llama",
     .key_prefix = "llama",
     .rope_order = RopeOrder::kInterleaved},
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
