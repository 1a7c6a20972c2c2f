#include "server/retrieval/retriever.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "core/retrieval/bm25.h"
#include "server/retrieval/embed_job.h"
#include "server/support/errors.h"

namespace gist {
namespace {

constexpr int kMaxTopK = 64, kMaxEf = 4096;

}  // namespace

absl::Status Retriever::CheckOptions(const RetrievalOptions& options) const {
  if (options.top_k < 1 || options.top_k > kMaxTopK) {
    return InvalidField("retrieval.top_k",
                        fmt::format("retrieval.top_k is {}, want 1 to {}",
                                    options.top_k, kMaxTopK));
  }
  if (options.ef < 1 || options.ef > kMaxEf) {
    return InvalidField(
        "retrieval.ef",
        fmt::format("retrieval.ef is {}, want 1 to {}", options.ef, kMaxEf));
  }
  constexpr int kLeastChunk = 8;
  const auto [fingerprint, chunk_tokens, overlap_tokens] = Settings(options);
  if (chunk_tokens < kLeastChunk ||
      chunk_tokens > embedder_.info().max_text_tokens) {
    return InvalidField(
        "retrieval.chunk_tokens",
        fmt::format(
            "retrieval.chunk_tokens is {}, want {} to the embedder's {}",
            chunk_tokens, kLeastChunk, embedder_.info().max_text_tokens));
  }
  if (overlap_tokens < 0 || overlap_tokens > chunk_tokens / 2) {
    return InvalidField(
        "retrieval.overlap_tokens",
        fmt::format("retrieval.overlap_tokens is {}, want 0 to half of "
                    "chunk_tokens, {}",
                    overlap_tokens, chunk_tokens / 2));
  }
  return absl::OkStatus();
}

ChunkSettings Retriever::Settings(const RetrievalOptions& options) const {
  const ChunkOptions defaults;
  const int chunk_tokens =
      options.chunk_tokens != 0
          ? options.chunk_tokens
          : std::min(defaults.max_tokens, embedder_.info().max_text_tokens);
  return {embedder_.info().fingerprint, chunk_tokens,
          options.overlap_tokens.value_or(
              std::min(defaults.overlap_tokens, chunk_tokens / 2))};
}

absl::StatusOr<std::vector<float>> Retriever::Embed(
    std::vector<std::string> texts, Job::QueueClass queue_class,
    const Caller& caller, Retrieved* retrieved) {
  const auto outcome = std::make_shared<EmbedOutcome>();
  GIST_RETURN_IF_ERROR(
      scheduler_.Submit(std::make_unique<EmbedJob>(embedder_, std::move(texts),
                                                   queue_class, outcome),
                        caller));
  while (true) {
    GIST_ASSIGN_OR_RETURN(const auto done, outcome->progress.Next());
    if (done) continue;
    retrieved->uncontended = retrieved->uncontended && outcome->uncontended;
    return std::move(outcome->vectors);
  }
}

absl::StatusOr<std::string> Retriever::Text(
    const std::string& document_id) const {
  auto text = store_.GetText(document_id);
  if (!absl::IsNotFound(text.status())) return text;
  return Error(
      Reason::kTextNotKept,
      fmt::format("document {}: its text is not kept here, so no passage of it "
                  "can be found; store it with `gist add FILE`, or ask with "
                  "MODE_GIST",
                  document_id));
}

absl::StatusOr<ChunkIndex> Retriever::MakeIndex(std::string_view text,
                                                const ChunkSettings& settings,
                                                const Caller& caller,
                                                Retrieved* retrieved) {
  GIST_ASSIGN_OR_RETURN(
      const std::vector<Chunk> chunks,
      embedder_.Chunks(text, {.max_tokens = settings.max_tokens,
                              .overlap_tokens = settings.overlap_tokens}));
  std::vector<std::string> texts;
  for (const Chunk& chunk : chunks) {
    texts.emplace_back(chunk.TextIn(text));
  }
  const auto dimensions = size_t(embedder_.info().dimensions);
  ChunkIndex index{.embedder_fingerprint = settings.embedder_fingerprint,
                   .max_tokens = settings.max_tokens,
                   .overlap_tokens = settings.overlap_tokens,
                   .chunks = {},
                   .vectors = VectorIndex(int(dimensions), {})};
  if (texts.empty()) return index;  // white space alone
  GIST_ASSIGN_OR_RETURN(
      const std::vector<float> vectors,
      Embed(std::move(texts), Job::QueueClass::kCompress, caller, retrieved));
  for (size_t i = 0; i < chunks.size(); ++i) {
    index.chunks.push_back(
        {int64_t(chunks[i].begin), int64_t(chunks[i].end), chunks[i].tokens});
    GIST_RETURN_IF_ERROR(index.vectors.Add(
        i, std::span(vectors).subspan(i * dimensions, dimensions)));
  }
  return index;
}

absl::StatusOr<std::optional<ChunkIndex>> Retriever::StoredIndex(
    const std::string& document_id, int64_t text_bytes,
    const ChunkSettings& settings) const {
  const auto bytes = store_.GetChunkIndex(document_id);
  if (absl::IsNotFound(bytes.status()) || absl::IsDataLoss(bytes.status())) {
    return std::nullopt;
  }
  GIST_RETURN_IF_ERROR(bytes.status());
  auto index = DecodeChunkIndex(*bytes);
  if (!index.ok() || SettingsOf(*index) != settings) return std::nullopt;
  const bool fits =
      index->chunks.empty() || index->chunks.back().end <= text_bytes;
  if (!fits) return std::nullopt;
  return std::optional(*std::move(index));
}

absl::StatusOr<ChunkIndex> Retriever::IndexOf(const std::string& document_id,
                                              std::string_view text,
                                              const ChunkSettings& settings,
                                              const Caller& caller,
                                              Retrieved* retrieved) {
  GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                        indexing_.Acquire(document_id, caller));
  GIST_ASSIGN_OR_RETURN(
      auto stored, StoredIndex(document_id, int64_t(text.size()), settings));
  if (stored) return *std::move(stored);
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(ChunkIndex index,
                        MakeIndex(text, settings, caller, retrieved));
  GIST_ASSIGN_OR_RETURN(const std::string encoded, EncodeChunkIndex(index));
  // The document may have been deleted meanwhile, the disk may be full or
  // failing: it is answered all the same.
  const absl::Status put = store_.PutChunkIndex(document_id, encoded);
  if (!put.ok() && !absl::IsNotFound(put) && !absl::IsUnavailable(put) &&
      !absl::IsResourceExhausted(put)) {
    return put;
  }
  ++retrieved->indexed_documents;
  retrieved->index_seconds += SecondsSince(start);
  return index;
}

absl::StatusOr<Retrieved> Retriever::Find(
    std::span<const ContextRecord> records, std::string_view question,
    const RetrievalOptions& options, const Caller& caller) {
  GIST_RETURN_IF_ERROR(CheckOptions(options));
  const ChunkSettings settings = Settings(options);
  Retrieved retrieved;
  std::vector<std::string> texts;
  std::vector<ChunkIndex> indexes;
  for (const ContextRecord& record : records) {
    const std::string& id = record.document_id;
    GIST_ASSIGN_OR_RETURN(std::string text, Text(id));
    GIST_ASSIGN_OR_RETURN(ChunkIndex index,
                          IndexOf(id, text, settings, caller, &retrieved));
    texts.push_back(std::move(text));
    indexes.push_back(std::move(index));
  }
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(const std::vector<float> vector,
                        Embed({std::string(question)}, Job::QueueClass::kAsk,
                              caller, &retrieved));
  struct Place {
    size_t document = 0;
    size_t chunk = 0;
  };
  std::vector<Place> places;  // of all chunks
  std::vector<std::string_view> pieces;
  std::vector<NearPassage> nearest;
  for (size_t i = 0; i < indexes.size(); ++i) {
    GIST_ASSIGN_OR_RETURN(
        const auto neighbours,
        indexes[i].vectors.Search(vector, std::max(options.top_k, options.ef),
                                  options.ef));
    for (const auto& [label, similarity] : neighbours) {
      nearest.push_back({places.size() + label, similarity});
    }
    for (size_t j = 0; j < indexes[i].chunks.size(); ++j) {
      places.push_back({i, j});
      pieces.push_back(indexes[i].chunks[j].TextIn(texts[i]));
    }
  }
  std::ranges::stable_sort(nearest, std::greater(), &NearPassage::similarity);
  const std::vector<double> bm25 = Bm25Scores(question, pieces);
  for (const size_t place :
       RankPassages(options.ranking, nearest, bm25, size_t(options.top_k))) {
    const auto [document, chunk] = places[place];
    const auto [begin, end, tokens] = indexes[document].chunks[chunk];
    GIST_ASSIGN_OR_RETURN(const float similarity,
                          indexes[document].vectors.Similarity(chunk, vector));
    retrieved.chunks.push_back({records[document].context_id, int(document),
                                begin, end, similarity, bm25[place],
                                std::string(pieces[place])});
  }
  retrieved.search_seconds = SecondsSince(start);
  retrieved.documents = int(records.size());
  return retrieved;
}

}  // namespace gist
