// What the files of a sentence-transformers model say. For the encoder.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace gist {

struct EncoderConfig {
  int layers = 0;
  int hidden_size = 0;
  int heads = 0;  // divides hidden_size
  int intermediate_size = 0;
  int vocab_size = 0;
  int positions = 0;       // that have an embedding
  int first_position = 0;  // of a text's first token: 2 in XLM-RoBERTa
  int token_types = 0;
  double layer_norm_epsilon = 0;
  int max_sequence_tokens = 0;  // with the first and the last one's ids; at
                                // most as many as there are positions for
  bool pools_first = false;     // the first token's state, else the mean
  std::string query_prompt, passage_prompt;  // in front of a text; may be empty
};

// Reads config.json and, where they are there, modules.json,
// sentence_bert_config.json, 1_Pooling/config.json and
// config_sentence_transformers.json of `folder`. Its "prompts" are those of
// questions, "query", and of passages, "document", "passage" or "corpus", else
// that of "default_prompt_name", as encode_query and encode_document of
// sentence-transformers take them.
// kUnimplemented: another architecture, activation, pooling or a layer behind
// it, named with what is supported. kDataLoss: sizes that are missing or
// contradict each other.
absl::StatusOr<EncoderConfig> ReadEncoderConfig(const std::string& folder);

}  // namespace gist
