#include "core/retrieval/chunk_index.h"

#include <nlohmann/json.hpp>

#include "core/base/checksum.h"
#include "core/base/status.h"

namespace gist {
namespace {

using nlohmann::json;

constexpr std::string_view kSealKey = "chunk index";

absl::Status Broken(std::string_view what) {
  return absl::DataLossError(fmt::format("chunk index: {}", what));
}

absl::StatusOr<ChunkIndex> FromJson(const json& header, VectorIndex vectors) {
  ChunkIndex index{.embedder_fingerprint = header.at("embedder"),
                   .max_tokens = header.at("max_tokens"),
                   .overlap_tokens = header.at("overlap_tokens"),
                   .chunks = ChunksFromJson(header.at("chunks")),
                   .vectors = std::move(vectors)};
  if (int64_t(index.chunks.size()) == index.vectors.size()) return index;
  return Broken(fmt::format("{} chunks and {} vectors", index.chunks.size(),
                            index.vectors.size()));
}

}  // namespace

json ChunksToJson(const std::vector<IndexedChunk>& chunks) {
  json list = json::array();
  for (const auto& [begin, end, tokens] : chunks) {
    list.push_back({begin, end, tokens});
  }
  return list;
}

std::vector<IndexedChunk> ChunksFromJson(const json& list) {
  std::vector<IndexedChunk> chunks;
  for (const json& chunk : list) {
    chunks.push_back({chunk.at(0), chunk.at(1), chunk.at(2)});
  }
  return chunks;
}

// A line of JSON, then the vectors.
absl::StatusOr<std::string> EncodeChunkIndex(const ChunkIndex& index) {
  const json header = {{"embedder", index.embedder_fingerprint},
                       {"max_tokens", index.max_tokens},
                       {"overlap_tokens", index.overlap_tokens},
                       {"chunks", ChunksToJson(index.chunks)}};
  GIST_ASSIGN_OR_RETURN(const std::string vectors, index.vectors.Serialize());
  return Seal(kSealKey, header.dump() + "\n" + vectors);
}

absl::StatusOr<ChunkIndex> DecodeChunkIndex(std::string_view bytes) {
  GIST_ASSIGN_OR_RETURN(const std::string_view payload,
                        Unseal(kSealKey, bytes));
  const size_t line = payload.find('\n');
  if (line == payload.npos) return Broken("no header");
  GIST_ASSIGN_OR_RETURN(VectorIndex vectors,
                        VectorIndex::Parse(payload.substr(line + 1)));
  return Fence("chunk index", [&]() -> absl::StatusOr<ChunkIndex> {
    try {
      return FromJson(json::parse(payload.substr(0, line)), std::move(vectors));
    } catch (const json::exception& error) {
      return Broken(error.what());
    }
  });
}

}  // namespace gist
