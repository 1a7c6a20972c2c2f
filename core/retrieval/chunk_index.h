// A document's chunks, and which of them is nearest to a question.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/retrieval/vector_index.h"

namespace gist {

// Bytes [begin, end) of the document's text.
struct IndexedChunk {
  int64_t begin = 0;
  int64_t end = 0;
  int tokens = 0;  // by the embedder's count

  std::string_view TextIn(std::string_view document) const {
    return document.substr(size_t(begin), size_t(end - begin));
  }
  bool operator==(const IndexedChunk&) const = default;
};
// As stored: [[begin, end, tokens], ...].
nlohmann::json ChunksToJson(const std::vector<IndexedChunk>& chunks);
// Throws nlohmann::json::exception.
std::vector<IndexedChunk> ChunksFromJson(const nlohmann::json& list);

struct ChunkIndex {
  std::string embedder_fingerprint;  // made the vectors; needed for a question
  int max_tokens = 0;                // as the chunks were cut
  int overlap_tokens = 0;
  std::vector<IndexedChunk> chunks;  // in the text's order
  VectorIndex vectors;               // labels are indices of `chunks`
};

absl::StatusOr<std::string> EncodeChunkIndex(const ChunkIndex& index);
// kDataLoss: damaged, or chunks and vectors do not fit each other.
// kFailedPrecondition: of a newer version.
absl::StatusOr<ChunkIndex> DecodeChunkIndex(std::string_view bytes);

}  // namespace gist
