// The tensors of a model file: one table for the loader, `gist plan` and the
// check of names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/format/gguf.h"
#include "core/model/architectures/model_config.h"

namespace gist {

struct ExpectedTensor {
  std::string name;
  // As GgufTensor::dims: {columns, rows} of a matrix. Empty: any here, checked
  // where they are read (RoPE's divisors, ReadLayerKinds).
  std::vector<int64_t> dims;
  bool is_optional = false;
};

// All that a model of this architecture and these sizes may have.
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

// OK: each tensor of the file is an expected one. kUnimplemented names one that
// is not.
absl::Status CheckTensorNames(const Gguf& file, const ModelConfig& config);

// OK: each expected tensor is there and has its dims. kNotFound: one is
// missing; kDataLoss: one has other dims. Errors name the tensor.
absl::Status CheckTensorDims(const Gguf& file, const ModelConfig& config);

// kDataLoss: the tensor holds an infinite number or a NaN; names it and the
// row. Reads what FirstNonFinite reads.
absl::Status CheckFinite(const GgufTensor& tensor);

}  // namespace gist
