#include "core/retrieval/tenant_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/base/checksum.h"
#include "core/base/status.h"

namespace gist {
namespace {

using nlohmann::json;

constexpr std::string_view kTenantIndexSeal = "tenant index";
constexpr int64_t kDocumentBytes = 400;  // in memory, beside its chunks

absl::Status DamagedIndex(std::string_view what) {
  return absl::DataLossError(fmt::format("tenant index: {}", what));
}

}  // namespace

ChunkSettings SettingsOf(const ChunkIndex& index) {
  return {index.embedder_fingerprint, index.max_tokens, index.overlap_tokens};
}

TenantIndex::TenantIndex(ChunkSettings settings, int dimensions)
    : settings_(std::move(settings)), vectors_(dimensions, {}) {}

bool TenantIndex::Holds(std::string_view document_id) const {
  return documents_.contains(document_id);
}

std::vector<std::string> TenantIndex::document_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, document] : documents_) ids.push_back(id);
  return ids;
}

int64_t TenantIndex::memory_bytes(int64_t more) const {
  return vectors_.memory_bytes(more) +
         (chunks() + more) * int64_t(sizeof(IndexedChunk)) +
         std::ssize(documents_) * kDocumentBytes;
}

void TenantIndex::Insert(const std::string& document_id, Document document) {
  if (!document.chunks.empty()) {
    by_label_.emplace(document.first_label, document_id);
  }
  documents_.emplace(document_id, std::move(document));
}

absl::Status TenantIndex::Add(const std::string& document_id,
                              const ChunkIndex& index, const Check& check) {
  if (SettingsOf(index) != settings_ || Holds(document_id)) {
    return absl::InvalidArgumentError(fmt::format(
        "tenant index: document {} is there already, or cut or embedded in "
        "another way",
        document_id));
  }
  const uint64_t first = next_label_;
  const auto add_all = [&]() -> absl::Status {
    for (size_t i = 0; i < index.chunks.size(); ++i) {
      GIST_RETURN_IF_ERROR(check());
      GIST_ASSIGN_OR_RETURN(const auto vector, index.vectors.Vector(i));
      GIST_RETURN_IF_ERROR(vectors_.Add(next_label_++, vector));
    }
    return absl::OkStatus();
  };
  const absl::Status added = add_all();
  if (!added.ok()) {
    // A label is used once: what was added leaves places behind.
    for (uint64_t label = first; label < next_label_; ++label) {
      vectors_.Remove(label).IgnoreError();
    }
    return added;
  }
  Insert(document_id, {.first_label = first, .chunks = index.chunks});
  not_stored_ += std::max<int64_t>(1, std::ssize(index.chunks));
  return absl::OkStatus();
}

bool TenantIndex::Remove(std::string_view document_id) {
  const auto found = documents_.find(document_id);
  if (found == documents_.end()) return false;
  const Document& document = found->second;
  for (size_t i = 0; i < document.chunks.size(); ++i) {
    vectors_.Remove(document.first_label + i).IgnoreError();
  }
  if (!document.chunks.empty()) by_label_.erase(document.first_label);
  documents_.erase(found);
  is_stored_ = false;
  return true;
}

bool TenantIndex::IsSparse() const {
  return vectors_.removed() > 0 && 2 * vectors_.removed() >= chunks();
}

absl::StatusOr<std::vector<FoundChunk>> TenantIndex::Search(
    std::span<const float> vector, int count, int ef) const {
  GIST_ASSIGN_OR_RETURN(const auto neighbours,
                        vectors_.Search(vector, count, std::max(ef, kLeastEf)));
  std::vector<FoundChunk> found;
  for (const auto& [label, similarity] : neighbours)
    found.push_back(ChunkAt(label, similarity));
  return found;
}

FoundChunk TenantIndex::ChunkAt(uint64_t label, float similarity) const {
  const auto& [first, id] = *std::prev(by_label_.upper_bound(label));
  return {id, label, documents_.at(id).chunks.at(label - first), similarity};
}

std::vector<TenantIndex::LabelledChunk> TenantIndex::ChunksOf(
    std::string_view document_id) const {
  std::vector<LabelledChunk> chunks;
  const auto found = documents_.find(document_id);
  if (found == documents_.end()) return chunks;
  uint64_t label = found->second.first_label;
  for (const IndexedChunk& chunk : found->second.chunks)
    chunks.push_back({label++, chunk});
  return chunks;
}

absl::StatusOr<FoundChunk> TenantIndex::Chunk(
    uint64_t label, std::span<const float> vector) const {
  GIST_ASSIGN_OR_RETURN(const float similarity,
                        vectors_.Similarity(label, vector));
  return ChunkAt(label, similarity);
}

bool TenantIndex::WantsStoring() const {
  constexpr int64_t kShare = 8;
  return !is_stored_ || (not_stored_ > 0 && kShare * not_stored_ >= chunks());
}

void TenantIndex::NoteStored() {
  is_stored_ = true;
  not_stored_ = 0;
}

// A line of JSON, then the vectors.
absl::StatusOr<std::string> EncodeTenantIndex(const TenantIndex& index) {
  json header = {{"embedder", index.settings_.embedder_fingerprint},
                 {"max_tokens", index.settings_.max_tokens},
                 {"overlap_tokens", index.settings_.overlap_tokens},
                 {"next_label", index.next_label_},
                 {"documents", json::array()}};
  for (const auto& [id, document] : index.documents_) {
    header["documents"].push_back(
        {id, document.first_label, ChunksToJson(document.chunks)});
  }
  GIST_ASSIGN_OR_RETURN(const std::string vectors, index.vectors_.Serialize());
  return Seal(kTenantIndexSeal, header.dump() + "\n" + vectors);
}

// What the header says of the vectors that are there.
absl::Status TenantIndex::ReadHeader(const json& header) {
  settings_ = {header.at("embedder"), header.at("max_tokens"),
               header.at("overlap_tokens")};
  next_label_ = header.at("next_label");
  std::set<uint64_t> labels;
  for (const json& entry : header.at("documents")) {
    Document document{.first_label = entry.at(1),
                      .chunks = ChunksFromJson(entry.at(2))};
    for (size_t i = 0; i < document.chunks.size(); ++i) {
      const uint64_t label = document.first_label + i;
      GIST_RETURN_IF_ERROR(vectors_.Vector(label).status());
      if (label >= next_label_ || !labels.insert(label).second) {
        return DamagedIndex(fmt::format("label {} is used twice", label));
      }
    }
    const std::string id = entry.at(0);
    if (Holds(id)) return DamagedIndex("a document is there twice");
    Insert(id, std::move(document));
  }
  if (std::ssize(labels) == vectors_.size()) return absl::OkStatus();
  return DamagedIndex(
      fmt::format("{} chunks and {} vectors", labels.size(), vectors_.size()));
}

absl::StatusOr<TenantIndex> DecodeTenantIndex(std::string_view bytes) {
  GIST_ASSIGN_OR_RETURN(const std::string_view payload,
                        Unseal(kTenantIndexSeal, bytes));
  const size_t line = payload.find('\n');
  if (line == payload.npos) return DamagedIndex("no header");
  GIST_ASSIGN_OR_RETURN(VectorIndex vectors,
                        VectorIndex::Parse(payload.substr(line + 1)));
  TenantIndex index(std::move(vectors));
  const absl::Status read = Fence("tenant index", [&] {
    try {
      return index.ReadHeader(json::parse(payload.substr(0, line)));
    } catch (const json::exception& error) {
      return DamagedIndex(error.what());
    }
  });
  if (absl::IsNotFound(read)) return DamagedIndex(Message(read));
  GIST_RETURN_IF_ERROR(read);
  index.NoteStored();
  return index;
}

}  // namespace gist
