// A BERT's weights as tensors. For the encoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/embed/encoder_config.h"
#include "core/embed/encoder_matrix.h"
#include "core/format/safetensors.h"

namespace gist {

// y = x W^T + b; W is [out, in].
struct DenseLayer {
  EncoderMatrix weight;
  at::Tensor bias;  // [out]
};

struct Normalization {
  at::Tensor weight;  // [hidden]
  at::Tensor bias;    // [hidden]
};

struct EncoderLayer {
  DenseLayer query_key_value;  // the three, stacked: [3 * hidden, hidden]
  DenseLayer attention_output;
  Normalization attention_norm;
  DenseLayer intermediate;  // [intermediate, hidden]
  DenseLayer output;        // [hidden, intermediate]
  Normalization output_norm;
};

struct EncoderWeights {
  EncoderMatrix words;   // [vocab, hidden]
  at::Tensor positions;  // [positions, hidden], that of token type 0 added
  Normalization norm;
  std::vector<EncoderLayer> layers;
  int64_t bytes = 0;
};

// Copies the tensors, named as in Hugging Face's BertModel (with or without
// "bert." in front), to `device` as float32. A matrix NAME may be there as
// NAME.q4_0 instead: uint8, its rows in blocks of Q4_0. On the CPU the rows of
// words then stay blocks; other matrices become bfloat16 if the processor
// multiplies that, else float16. kDataLoss: a tensor is missing or has another
// shape. LibTorch's exceptions pass.
absl::StatusOr<EncoderWeights> LoadEncoderWeights(const SafeTensors& file,
                                                  const EncoderConfig& config,
                                                  const std::string& device);

}  // namespace gist
