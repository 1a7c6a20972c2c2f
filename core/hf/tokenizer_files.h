// The tokenizer, chat template and stop tokens of a Hugging Face folder in
// GGUF's words. For this folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/format/gguf.h"

namespace gist {

struct HfText {
  std::string_view text;  // empty: there is no such file
  std::string path;       // for errors
};

struct HfTokenizerFiles {
  HfText tokenizer;  // tokenizer.json
  HfText tokenizer_config;
  HfText generation_config;
  HfText chat_template;
  std::vector<int64_t> eos_ids;  // of config.json
};

// Adds tokenizer.ggml.* and tokenizer.chat_template to `values`. kUnimplemented
// names what is not supported; kDataLoss: files that are wrong.
absl::Status AddHfTokenizer(const HfTokenizerFiles& files,
                            std::map<std::string, GgufValue>* values);

}  // namespace gist
