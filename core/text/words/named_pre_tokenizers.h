// The pre-tokenizers that GGUF files name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/words/pre_tokenizer.h"

namespace gist {

// What a model's tokenizer.json has for the name in its GGUF file.
struct NamedPreTokenizer {
  std::vector<SplitStep> steps = {};
  bool nfc = false;            // the text is normalized first
  bool ignore_merges = false;  // a word that is a token is that token
  bool add_bos = false;        // where the file does not say
};

// `name`: tokenizer.ggml.pre. kUnimplemented names it and all that are known.
absl::StatusOr<NamedPreTokenizer> FindPreTokenizer(std::string_view name);

// Steps of the `tokenizers` package's ByteLevel and Digits.
std::vector<SplitStep> Gpt2Steps();
std::vector<SplitStep> DigitSteps(bool individual);

}  // namespace gist
