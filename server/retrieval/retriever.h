// Which passages of documents are about a question.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/embed/embedder.h"
#include "core/retrieval/chunk_index.h"
#include "core/retrieval/passages.h"
#include "core/retrieval/tenant_index.h"
#include "server/retrieval/tenant_index_cache.h"
#include "server/scheduling/caller.h"
#include "server/scheduling/keyed_lock.h"
#include "server/scheduling/scheduler.h"
#include "storage/gist_store.h"

namespace gist {

struct RetrievalOptions {
  int top_k = 4;  // passages, of all documents together
  int ef = 64;    // candidates of the search: more find more exactly
  // By the embedder's count; 0: 200, or all that it reads if that is less.
  int chunk_tokens = 0;
  std::optional<int> overlap_tokens = std::nullopt;  // 40, at most half a chunk
  Ranking ranking = Ranking::kFused;
};

struct RetrievedChunk {
  std::string context_id;
  int document = 0;   // its place among the documents, as they are joined
  int64_t begin = 0;  // bytes [begin, end) of its text
  int64_t end = 0;
  float similarity = 0;  // cosine to the question
  double bm25 = 0;  // among the chunks that were looked at; 0: no common word
  std::string text;
};

struct Retrieved {
  std::vector<RetrievedChunk> chunks;  // the best first
  int indexed_documents = 0;           // that had no index that could be used
  double index_seconds = 0;            // making those
  double search_seconds = 0;           // the question's vector, and the search
  bool uncontended = true;             // no other job ran meanwhile
  int documents = 0;                   // that were looked through
  int64_t document_tokens = 0;         // of those, in FindAll
};

// A document is cut into chunks and embedded when it is first asked about; its
// index is kept in the store and used as long as embedder and chunks are the
// same. Thread-safe; calls block.
class Retriever {
 public:
  // All three outlive it. `max_index_bytes`: of the indexes over all documents,
  // in memory.
  Retriever(Embedder& embedder, GistStore& store, Scheduler& scheduler,
            int64_t max_index_bytes)
      : embedder_(embedder),
        store_(store),
        scheduler_(scheduler),
        indexes_(max_index_bytes) {}

  // kFailedPrecondition: a document's text is not kept. kInvalidArgument:
  // options out of range. The store's, the embedder's and the scheduler's own
  // errors pass through; a damaged index is made anew. `ef` chunks of each
  // document are candidates for what they mean, all for their words.
  absl::StatusOr<Retrieved> Find(std::span<const ContextRecord> records,
                                 std::string_view question,
                                 const RetrievalOptions& options,
                                 const Caller& caller);

  // Chunks that FindAll takes from the vectors, and as many by their words.
  static constexpr int kCandidates = 256;

  // Of all documents of the caller's tenant whose text is kept, by one index
  // over them, which is brought up to date first: documents without a chunk
  // index are embedded, one after the other, and what is done stays done where
  // the caller leaves. Chunks as by default. The words of all are in memory
  // too, read anew after a restart. One question of a tenant at a time; the
  // others wait. kFailedPrecondition: there is no such document.
  // kResourceExhausted: the index is too large. Else as Find.
  absl::StatusOr<Retrieved> FindAll(std::string_view question,
                                    const RetrievalOptions& options,
                                    const Caller& caller);
  // Drops what memory holds of a document that is gone.
  void Forget(std::string_view document_id) { indexes_.Forget(document_id); }

  const TenantIndexCache& indexes() const { return indexes_; }
  const EmbedderInfo& embedder() const { return embedder_.info(); }

 private:
  absl::StatusOr<std::string> Text(const std::string& document_id) const;
  absl::Status CheckOptions(const RetrievalOptions& options) const;
  absl::Status CheckDefaultChunks(const RetrievalOptions& options) const;
  ChunkSettings Settings(const RetrievalOptions& options) const;
  // No value: there is none that can be used.
  absl::StatusOr<std::optional<ChunkIndex>> StoredIndex(
      const std::string& document_id, int64_t text_bytes,
      const ChunkSettings& settings) const;
  absl::StatusOr<ChunkIndex> IndexOf(const std::string& document_id,
                                     std::string_view text,
                                     const ChunkSettings& settings,
                                     const Caller& caller,
                                     Retrieved* retrieved);
  absl::StatusOr<ChunkIndex> MakeIndex(std::string_view text,
                                       const ChunkSettings& settings,
                                       const Caller& caller,
                                       Retrieved* retrieved);
  absl::StatusOr<std::vector<float>> Embed(std::vector<std::string> texts,
                                           Job::QueueClass queue_class,
                                           const Caller& caller,
                                           Retrieved* retrieved);

  using Documents = std::map<std::string, TenantDocument, std::less<>>;
  // Brings the index up to date: it holds these documents.
  absl::StatusOr<Documents> Update(const Caller& caller,
                                   TenantIndexCache::Lease& lease,
                                   Retrieved* retrieved);
  absl::StatusOr<Documents> DropGone(std::string_view tenant,
                                     TenantIndexes& indexes) const;
  absl::Status LoadIndex(std::string_view tenant,
                         TenantIndexCache::Lease& lease) const;
  absl::Status AddDocument(const TenantDocument& document, const Caller& caller,
                           TenantIndexCache::Lease& lease,
                           Retrieved* retrieved);
  absl::Status StoreIndex(std::string_view tenant, TenantIndex& index) const;
  TenantIndex NewIndex() const;
  absl::Status AddWords(const TenantDocument& document,
                        TenantIndexCache::Lease& lease) const;
  // Chunks that may answer; of each its BM25.
  struct Candidates {
    std::vector<FoundChunk> chunks;
    std::vector<NearPassage> nearest;
    std::vector<double> bm25;
  };
  static absl::StatusOr<Candidates> SearchIndexes(
      const TenantIndexes& indexes, std::string_view question,
      std::span<const float> vector, const RetrievalOptions& options);
  // The best of them whose text is there still.
  absl::StatusOr<std::vector<RetrievedChunk>> TopPassages(
      const Candidates& candidates, const Documents& documents,
      const RetrievalOptions& options) const;
  absl::StatusOr<std::string> ReadText(const TenantDocument& document) const;

  Embedder& embedder_;
  GistStore& store_;
  Scheduler& scheduler_;
  KeyedLock indexing_;  // by document id: an index is made once
  TenantIndexCache indexes_;
  KeyedLock asking_all_;  // by tenant: an index has one user
};

}  // namespace gist
