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
  int positions = 0;  // that have an embedding
  int token_types = 0;
  double layer_norm_epsilon = 0;
  int max_sequence_tokens = 0;  // with [CLS] and [SEP]; at most `positions`
};

// Reads config.json and, where they are there, sentence_bert_config.json and
// 1_Pooling/config.json of `folder`. kUnimplemented: another architecture,
// activation or pooling, named with the one supported. kDataLoss: sizes that
// are missing or contradict each other.
absl::StatusOr<EncoderConfig> ReadEncoderConfig(const std::string& folder);

}  // namespace gist
