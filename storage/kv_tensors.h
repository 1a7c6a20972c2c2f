// CompressedKv as tensors of a safetensors file. Internal to storage/.
#pragma once

#include <list>
#include <string>

#include "absl/status/statusor.h"
#include "core/compress/compressed_kv.h"
#include "core/format/safetensors.h"

namespace gist {

// Adds the tensors of `kv` under names that begin with `prefix`. `file` borrows
// from `kv` and `buffers`.
void AddKvTensors(const std::string& prefix, const CompressedKv& kv,
                  SafeTensors& file, std::list<std::string>& buffers);

// Reads them, and takes them out of `file`: what is left is unknown.
// kDataLoss: tensors are missing, or their types and shapes do not fit each
// other. Copies what the tensors hold, and allocates no more.
absl::StatusOr<CompressedKv> TakeKvTensors(const std::string& prefix,
                                           SafeTensors& file);

// The two tensors of a blob of version 1.
absl::StatusOr<CompressedKv> TakeGistTensors(SafeTensors& file);

}  // namespace gist
