// Passages of all documents of a tenant.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "core/base/status.h"
#include "server/retrieval/retriever.h"
#include "server/support/errors.h"

namespace gist {

absl::Status Retriever::CheckDefaultChunks(
    const RetrievalOptions& options) const {
  const ChunkSettings found = Settings(options), wanted = Settings({});
  if (found == wanted) return absl::OkStatus();
  return InvalidField(
      "retrieval.chunk_tokens",
      fmt::format("chunks of {} tokens that share {}: over all documents they "
                  "have {} and share {}; leave both out, or name the contexts",
                  found.max_tokens, found.overlap_tokens, wanted.max_tokens,
                  wanted.overlap_tokens));
}

absl::StatusOr<Retrieved> Retriever::FindAll(std::string_view question,
                                             const RetrievalOptions& options,
                                             const Caller& caller) {
  GIST_RETURN_IF_ERROR(CheckOptions(options));
  GIST_RETURN_IF_ERROR(CheckDefaultChunks(options));
  const std::string& tenant = caller.principal.tenant;
  Retrieved retrieved;
  Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(const std::vector<float> vector,
                        Embed({std::string(question)}, Job::QueueClass::kAsk,
                              caller, &retrieved));
  retrieved.search_seconds = SecondsSince(start);
  Candidates candidates;
  Documents documents;
  {
    GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                          asking_all_.Acquire(tenant, caller));
    TenantIndexCache::Lease lease = indexes_.Take(tenant);
    start = Clock::now();
    GIST_ASSIGN_OR_RETURN(documents, Update(caller, lease, &retrieved));
    const TenantIndexes& indexes = *lease.index;
    const bool lacks_words =
        int64_t(indexes.words.size()) < indexes.vectors.chunks();
    if (options.ranking != Ranking::kDense && lacks_words) {
      for (const auto& [id, document] : documents) {
        GIST_RETURN_IF_ERROR(caller.Check());
        GIST_RETURN_IF_ERROR(AddWords(document, lease));
      }
    }
    retrieved.index_seconds = SecondsSince(start);
    start = Clock::now();
    GIST_ASSIGN_OR_RETURN(candidates,
                          SearchIndexes(indexes, question, vector, options));
  }
  GIST_ASSIGN_OR_RETURN(retrieved.chunks,
                        TopPassages(candidates, documents, options));
  retrieved.search_seconds += SecondsSince(start);
  retrieved.documents = int(documents.size());
  for (const auto& [id, document] : documents) {
    retrieved.document_tokens += document.document_tokens;
  }
  return retrieved;
}

absl::StatusOr<Retriever::Candidates> Retriever::SearchIndexes(
    const TenantIndexes& indexes, std::string_view question,
    std::span<const float> vector, const RetrievalOptions& options) {
  Candidates candidates;
  const bool words = options.ranking != Ranking::kDense;
  GIST_ASSIGN_OR_RETURN(
      candidates.chunks,
      indexes.vectors.Search(vector, words ? kCandidates : options.top_k,
                             options.ef));
  std::unordered_map<uint64_t, size_t> places;  // by label
  for (size_t i = 0; i < candidates.chunks.size(); ++i) {
    candidates.nearest.push_back({i, candidates.chunks[i].similarity});
    places[candidates.chunks[i].label] = i;
  }
  candidates.bm25.resize(candidates.chunks.size());
  if (!words) return candidates;
  int left = kCandidates;
  for (const auto& [label, bm25] : indexes.words.Search(question)) {
    const auto place = places.find(label);
    if (place != places.end()) {
      candidates.bm25[place->second] = bm25;
    } else if (left-- > 0) {
      GIST_ASSIGN_OR_RETURN(candidates.chunks.emplace_back(),
                            indexes.vectors.Chunk(label, vector));
      candidates.bm25.push_back(bm25);
    }
  }
  return candidates;
}

absl::StatusOr<std::vector<RetrievedChunk>> Retriever::TopPassages(
    const Candidates& candidates, const Documents& documents,
    const RetrievalOptions& options) const {
  std::vector<RetrievedChunk> best;
  std::map<std::string_view, int> numbers;  // the best document's is 0
  std::map<std::string_view, absl::StatusOr<std::string>> texts;
  for (const size_t place :
       RankPassages(options.ranking, candidates.nearest, candidates.bm25,
                    candidates.chunks.size())) {
    if (best.size() == size_t(options.top_k)) break;
    const FoundChunk& each = candidates.chunks[place];
    const auto document = documents.find(each.document_id);
    if (document == documents.end()) continue;
    const auto [text, is_new] = texts.try_emplace(each.document_id, "");
    if (is_new) text->second = ReadText(document->second);
    if (absl::IsNotFound(text->second.status())) continue;
    GIST_RETURN_IF_ERROR(text->second.status());
    const int number =
        numbers.try_emplace(each.document_id, int(numbers.size()))
            .first->second;
    best.push_back({document->second.context_id, number, each.chunk.begin,
                    each.chunk.end, each.similarity, candidates.bm25[place],
                    std::string(each.chunk.TextIn(*text->second))});
  }
  return best;
}

absl::StatusOr<Retriever::Documents> Retriever::Update(
    const Caller& caller, TenantIndexCache::Lease& lease,
    Retrieved* retrieved) {
  const std::string& tenant = caller.principal.tenant;
  if (lease.index == nullptr) GIST_RETURN_IF_ERROR(LoadIndex(tenant, lease));
  GIST_ASSIGN_OR_RETURN(Documents documents, DropGone(tenant, *lease.index));
  if (lease.index->vectors.IsSparse()) *lease.index = {.vectors = NewIndex()};
  bool grew = false;
  for (const auto& [id, document] : documents) {
    if (lease.index->vectors.Holds(id)) continue;
    GIST_RETURN_IF_ERROR(caller.Check());
    GIST_RETURN_IF_ERROR(AddDocument(document, caller, lease, retrieved));
    grew = true;
  }
  // That may have taken long.
  if (grew) {
    GIST_ASSIGN_OR_RETURN(documents, DropGone(tenant, *lease.index));
  }
  std::erase_if(documents, [&](const auto& entry) {
    return !lease.index->vectors.Holds(
        entry.first);  // came, or went, meanwhile
  });
  if (documents.empty()) {
    return Error(Reason::kTextNotKept,
                 "no document is here whose text is kept, so no passage can be "
                 "found; compress one");
  }
  GIST_RETURN_IF_ERROR(StoreIndex(tenant, lease.index->vectors));
  return documents;
}

TenantIndex Retriever::NewIndex() const {
  return TenantIndex(Settings({}), embedder_.info().dimensions);
}

// What is stored, if it can be used.
absl::Status Retriever::LoadIndex(std::string_view tenant,
                                  TenantIndexCache::Lease& lease) const {
  const auto bytes = store_.GetTenantIndex(tenant);
  if (bytes.ok()) {
    GIST_RETURN_IF_ERROR(lease.Reserve(int64_t(bytes->size())));
    auto index = DecodeTenantIndex(*bytes);
    if (index.ok() && index->settings() == Settings({})) {
      lease.index = std::make_unique<TenantIndexes>(
          TenantIndexes{.vectors = *std::move(index)});
      return lease.Reserve(lease.index->memory_bytes());
    }
  } else if (!absl::IsNotFound(bytes.status()) &&
             !absl::IsDataLoss(bytes.status()) &&
             !absl::IsFailedPrecondition(bytes.status())) {
    return bytes.status();
  }
  lease.index =
      std::make_unique<TenantIndexes>(TenantIndexes{.vectors = NewIndex()});
  return absl::OkStatus();
}

// The tenant's documents; the index holds no others any more.
absl::StatusOr<Retriever::Documents> Retriever::DropGone(
    std::string_view tenant, TenantIndexes& indexes) const {
  GIST_ASSIGN_OR_RETURN(auto list, store_.TenantDocuments(tenant));
  Documents documents;
  for (TenantDocument& document : list) {
    documents.emplace(document.document_id, std::move(document));
  }
  for (const std::string& id : indexes.vectors.document_ids()) {
    if (!documents.contains(id)) indexes.Remove(id);
  }
  return documents;
}

absl::Status Retriever::AddDocument(const TenantDocument& document,
                                    const Caller& caller,
                                    TenantIndexCache::Lease& lease,
                                    Retrieved* retrieved) {
  const ChunkSettings settings = Settings({});
  const std::string& id = document.document_id;
  GIST_ASSIGN_OR_RETURN(auto index,
                        StoredIndex(id, document.text_bytes, settings));
  if (!index) {
    const auto text = store_.GetText(id);
    if (absl::IsNotFound(text.status())) return absl::OkStatus();  // gone
    if (!text.ok()) return Within(document.context_id, text.status());
    GIST_ASSIGN_OR_RETURN(index,
                          IndexOf(id, *text, settings, caller, retrieved));
  }
  GIST_RETURN_IF_ERROR(
      lease.Reserve(lease.index->memory_bytes(std::ssize(index->chunks))));
  return lease.index->vectors.Add(id, *index,
                                  [&caller] { return caller.Check(); });
}

// Nothing where they are there, or its text is gone meanwhile.
absl::Status Retriever::AddWords(const TenantDocument& document,
                                 TenantIndexCache::Lease& lease) const {
  Bm25Index& words = lease.index->words;
  const auto chunks = lease.index->vectors.ChunksOf(document.document_id);
  if (chunks.empty() || words.Holds(chunks[0].label)) return absl::OkStatus();
  const auto text = ReadText(document);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(text.status());
  for (const auto& [label, chunk] : chunks)
    words.Add(label, chunk.TextIn(*text));
  const absl::Status fits = lease.Reserve(lease.index->memory_bytes());
  if (!fits.ok()) {
    for (const auto& [label, chunk] : chunks) words.Remove(label);
  }
  return fits;
}

// Where it cannot be stored the question is answered all the same.
absl::Status Retriever::StoreIndex(std::string_view tenant,
                                   TenantIndex& index) const {
  if (!index.WantsStoring()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string bytes, EncodeTenantIndex(index));
  const absl::Status put =
      store_.PutTenantIndex(tenant, index.document_ids(), bytes);
  if (put.ok()) index.NoteStored();
  const bool passes = absl::IsNotFound(put) || absl::IsUnavailable(put) ||
                      absl::IsResourceExhausted(put);
  return passes ? absl::OkStatus() : put;
}

// kNotFound: context or text are gone.
absl::StatusOr<std::string> Retriever::ReadText(
    const TenantDocument& document) const {
  GIST_RETURN_IF_ERROR(store_.Find(document.context_id).status());
  auto text = store_.GetText(document.document_id);
  if (!text.ok()) return Within(document.context_id, text.status());
  return text;
}

}  // namespace gist
