// The tokenizer, chat template and stop tokens of a Hugging Face folder. For
// this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

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

struct HfTokenizer {
  TokenizerSpec spec;
  std::string chat_template;  // Jinja; empty: none
};

// tokenizer.json makes the tokenizer. Of several sources the first wins:
//   bos token: its post-processor, tokenizer_config.json.
//   end of an answer: eos_token_id of generation_config.json, of config.json,
//     eos_token of tokenizer_config.json.
//   template: chat_template.jinja, chat_template of tokenizer_config.json (of
//     a list the one named "default").
// Errors name the file: those of FromTokenizerJson; kDataLoss: fields of
// another type, ids that the tokenizer does not have.
absl::StatusOr<HfTokenizer> ReadHfTokenizer(const HfTokenizerFiles& files);

}  // namespace gist
