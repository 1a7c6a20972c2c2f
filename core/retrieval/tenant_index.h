// The chunks of all documents of a tenant, and which of them are nearest to a
// question.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/retrieval/chunk_index.h"

namespace gist {

// What chunks and vectors have in common to be found together.
struct ChunkSettings {
  std::string embedder_fingerprint;
  int max_tokens = 0;
  int overlap_tokens = 0;
  friend bool operator==(const ChunkSettings&, const ChunkSettings&) = default;
};
ChunkSettings SettingsOf(const ChunkIndex& index);

struct FoundChunk {
  std::string document_id;
  uint64_t label = 0;
  IndexedChunk chunk;
  float similarity = 0;  // cosine to the question
};

// One graph over the vectors of the documents' own chunk indexes, which stay
// what is true: this can be made from them at any time. Search by any number of
// threads; the others by one, and not beside them.
class TenantIndex {
 public:
  // Looked at while it takes long; an error ends it.
  using Check = std::function<absl::Status()>;

  TenantIndex(ChunkSettings settings, int dimensions);

  const ChunkSettings& settings() const { return settings_; }
  bool Holds(std::string_view document_id) const;
  std::vector<std::string> document_ids() const;
  int64_t chunks() const { return vectors_.size(); }
  // In memory, with the room that it has, and after `more` chunks.
  int64_t memory_bytes(int64_t more = 0) const;

  // All of a document or, on an error, nothing. kInvalidArgument: it is there,
  // or of other settings or dimensions.
  absl::Status Add(const std::string& document_id, const ChunkIndex& index,
                   const Check& check);
  // Overwrites the document's vectors. False: it is not there.
  bool Remove(std::string_view document_id);
  // A third or more of the graph's places are of vectors that were removed:
  // time to make it anew.
  bool IsSparse() const;

  // A chunk's number here, which no other ever has.
  struct LabelledChunk {
    uint64_t label = 0;
    IndexedChunk chunk;
  };
  std::vector<LabelledChunk> ChunksOf(std::string_view document_id) const;
  // A chunk that is here, as Search would have found it.
  absl::StatusOr<FoundChunk> Chunk(uint64_t label,
                                   std::span<const float> vector) const;

  // As VectorIndex::Search, with at least kLeastEf candidates.
  static constexpr int kLeastEf = 256;
  absl::StatusOr<std::vector<FoundChunk>> Search(std::span<const float> vector,
                                                 int count, int ef) const;

  // Is it worth writing? What was stored has another document's vectors, or an
  // eighth of these are not in it.
  bool WantsStoring() const;
  void NoteStored();

 private:
  friend absl::StatusOr<std::string> EncodeTenantIndex(const TenantIndex&);
  friend absl::StatusOr<TenantIndex> DecodeTenantIndex(std::string_view);

  struct Document {
    uint64_t first_label = 0;  // of its chunks, one after the other
    std::vector<IndexedChunk> chunks;
  };
  using Documents = std::map<std::string, Document, std::less<>>;

  explicit TenantIndex(VectorIndex vectors) : vectors_(std::move(vectors)) {}
  void Insert(const std::string& document_id, Document document);
  FoundChunk ChunkAt(uint64_t label, float similarity) const;
  absl::Status ReadHeader(const nlohmann::json& header);

  ChunkSettings settings_;
  VectorIndex vectors_;
  Documents documents_;
  std::map<uint64_t, std::string> by_label_;  // first labels; no empty ones
  uint64_t next_label_ = 0;
  bool is_stored_ = false;
  int64_t not_stored_ = 0;  // chunks added since
};

// Nothing of what was removed is in the bytes.
absl::StatusOr<std::string> EncodeTenantIndex(const TenantIndex& index);
// As stored. kDataLoss: damaged, or chunks and vectors do not fit each other.
// kFailedPrecondition: of a newer version.
absl::StatusOr<TenantIndex> DecodeTenantIndex(std::string_view bytes);

}  // namespace gist
