// Which passages of documents are about a question.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/embedder.h"
#include "server/caller.h"
#include "server/keyed_lock.h"
#include "server/scheduler.h"
#include "storage/chunk_index.h"
#include "storage/gist_store.h"

namespace gist {

struct RetrievalOptions {
  int top_k = 4;           // passages, of all documents together
  int ef = 64;             // candidates of the search: more find more exactly
  int chunk_tokens = 200;  // by the embedder's count
  int overlap_tokens = 40;
};

struct RetrievedChunk {
  std::string context_id;
  int document = 0;   // index of the records that were given
  int64_t begin = 0;  // bytes [begin, end) of its text
  int64_t end = 0;
  float similarity = 0;  // cosine to the question
  std::string text;
};

struct Retrieved {
  std::vector<RetrievedChunk> chunks;  // the most similar first
  int indexed_documents = 0;           // that had no index that could be used
  double index_seconds = 0;            // making those
  double search_seconds = 0;           // the question's vector, and the search
  bool alone = true;                   // no other job ran meanwhile
};

// A document is cut into chunks and embedded when it is first asked about; its
// index is kept in the store and used as long as embedder and chunks are the
// same. Thread-safe; calls block.
class Retriever {
 public:
  // All three outlive it.
  Retriever(Embedder& embedder, GistStore& store, Scheduler& scheduler)
      : embedder_(embedder), store_(store), scheduler_(scheduler) {}

  // kFailedPrecondition: a document's text is not kept. kInvalidArgument:
  // options out of range. The store's, the embedder's and the scheduler's own
  // errors pass through; a damaged index is made anew.
  absl::StatusOr<Retrieved> Find(std::span<const ContextRecord> records,
                                 std::string_view question,
                                 const RetrievalOptions& options,
                                 const Caller& caller);

  const EmbedderInfo& embedder() const { return embedder_.info(); }

 private:
  absl::StatusOr<std::string> Text(const std::string& document_id) const;
  absl::StatusOr<ChunkIndex> IndexOf(const std::string& document_id,
                                     std::string_view text,
                                     const RetrievalOptions& options,
                                     const Caller& caller,
                                     Retrieved* retrieved);
  absl::StatusOr<ChunkIndex> MakeIndex(std::string_view text,
                                       const RetrievalOptions& options,
                                       const Caller& caller,
                                       Retrieved* retrieved);
  absl::StatusOr<std::vector<float>> Embed(std::vector<std::string> texts,
                                           Job::Lane lane, const Caller& caller,
                                           Retrieved* retrieved);

  Embedder& embedder_;
  GistStore& store_;
  Scheduler& scheduler_;
  KeyedLock indexing_;  // by document id: an index is made once
};

}  // namespace gist
