// The seam between serving and the sentence encoder: plain data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/retrieval/chunker.h"

namespace gist {

struct EmbedderInfo {
  std::string name;         // of its folder
  std::string fingerprint;  // of weights, vocabulary and prompts: vectors of
                            // two embedders cannot be compared
  int dimensions = 0;
  int max_text_tokens = 0;  // what is longer is cut off
  int64_t weight_bytes = 0;
};

// What a text is for. An encoder may be trained to tell the two apart.
enum class TextKind : uint8_t { kQuery, kPassage };

// info and Chunks may be called from any thread, Embed by one at a time (the
// scheduler's). Errors: kInvalidArgument (input), kInternal (the backend
// threw).
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const EmbedderInfo& info() const = 0;
  virtual absl::StatusOr<std::vector<Chunk>> Chunks(
      std::string_view text, const ChunkOptions& options) const = 0;
  // Row-major [texts, dimensions], each row of length 1.
  virtual absl::StatusOr<std::vector<float>> Embed(
      std::span<const std::string_view> texts, TextKind kind) = 0;
};

}  // namespace gist
