// A GGUF model as it lies on disk: one file, or the shards of a split one.
// Source of the keys and names: github.com/ggml-org/llama.cpp,
// tools/gguf-split.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"

namespace gist {

// Move-only. Moves leave the bytes where they are.
struct GgufFiles {
  std::vector<MappedFile> files;  // in the order of their numbers
  Gguf gguf;  // the first file's keys, the tensors of all; points into `files`

  int64_t Bytes() const;
  // Lower-case hex SHA-256 of the file; of shards, the SHA-256 over their own
  // ones in hex, in order, with nothing between.
  std::string Fingerprint() const;
};

// `path`: a file, or the first of the shards NAME-00001-of-00003.gguf, whose
// others lie beside it. Errors name the file they are about: MappedFile's and
// Gguf::Parse's; kNotFound: a shard is missing; kInvalidArgument: a later shard
// (names the first), or a shard under another name; kDataLoss: a shard of
// another split.
absl::StatusOr<GgufFiles> OpenGguf(const std::string& path);

}  // namespace gist
