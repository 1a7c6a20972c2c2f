// Passages of all documents of a tenant.
#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/status.h"
#include "core/embed/bm25.h"
#include "server/errors.h"
#include "server/retriever.h"

namespace gist {
namespace {

absl::Status CheckDefaultChunks(const RetrievalOptions& options) {
  const RetrievalOptions defaults;
  if (options.chunk_tokens == defaults.chunk_tokens &&
      options.overlap_tokens == defaults.overlap_tokens) {
    return absl::OkStatus();
  }
  return InvalidField(
      "retrieval.chunk_tokens",
      fmt::format("chunks of {} tokens that share {}: over all documents they "
                  "have {} and share {}; leave both out, or name the contexts",
                  options.chunk_tokens, options.overlap_tokens,
                  defaults.chunk_tokens, defaults.overlap_tokens));
}

}  // namespace

absl::StatusOr<Retrieved> Retriever::FindAll(std::string_view question,
                                             const RetrievalOptions& options,
                                             const Caller& caller) {
  GIST_RETURN_IF_ERROR(CheckOptions(options));
  GIST_RETURN_IF_ERROR(CheckDefaultChunks(options));
  const std::string& tenant = caller.principal.tenant;
  Retrieved retrieved;
  Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(
      const std::vector<float> vector,
      Embed({std::string(question)}, Job::Lane::kAsk, caller, &retrieved));
  retrieved.search_seconds = SecondsSince(start);
  std::vector<FoundChunk> found;
  Documents documents;
  {
    GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                          asking_all_.Acquire(tenant, caller));
    TenantIndexCache::Loan loan = indexes_.Take(tenant);
    start = Clock::now();
    GIST_ASSIGN_OR_RETURN(documents, Update(caller, loan, &retrieved));
    retrieved.index_seconds = SecondsSince(start);
    start = Clock::now();
    const int count =
        options.ranking == Ranking::kDense ? options.top_k : kCandidates;
    GIST_ASSIGN_OR_RETURN(found, loan.index->Search(vector, count, options.ef));
  }
  GIST_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                        TextsNow(found, documents));
  std::vector<NearPassage> nearest;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!texts[i].empty()) nearest.push_back({i, found[i].similarity});
  }
  const std::vector<double> bm25 = Bm25Scores(
      question, std::vector<std::string_view>(texts.begin(), texts.end()));
  std::map<std::string_view, int> numbers;  // the best document's is 0
  for (const size_t place :
       RankPassages(options.ranking, nearest, bm25, size_t(options.top_k))) {
    const FoundChunk& each = found[place];
    const int number =
        numbers.try_emplace(each.document_id, int(numbers.size()))
            .first->second;
    retrieved.chunks.push_back({documents.at(each.document_id).context_id,
                                number, each.chunk.begin, each.chunk.end,
                                each.similarity, bm25[place], texts[place]});
  }
  retrieved.search_seconds += SecondsSince(start);
  retrieved.documents = int(documents.size());
  for (const auto& [id, document] : documents) {
    retrieved.document_tokens += document.document_tokens;
  }
  return retrieved;
}

absl::StatusOr<Retriever::Documents> Retriever::Update(
    const Caller& caller, TenantIndexCache::Loan& loan, Retrieved* retrieved) {
  const std::string& tenant = caller.principal.tenant;
  if (loan.index == nullptr) GIST_RETURN_IF_ERROR(LoadIndex(tenant, loan));
  GIST_ASSIGN_OR_RETURN(Documents documents, DropGone(tenant, *loan.index));
  if (loan.index->IsSparse()) *loan.index = NewIndex();
  bool grew = false;
  for (const auto& [id, document] : documents) {
    if (loan.index->Holds(id)) continue;
    GIST_RETURN_IF_ERROR(caller.Check());
    GIST_RETURN_IF_ERROR(AddDocument(document, caller, loan, retrieved));
    grew = true;
  }
  // That may have taken long.
  if (grew) {
    GIST_ASSIGN_OR_RETURN(documents, DropGone(tenant, *loan.index));
  }
  std::erase_if(documents, [&](const auto& entry) {
    return !loan.index->Holds(entry.first);  // came, or went, meanwhile
  });
  if (documents.empty()) {
    return Error(Reason::kTextNotKept,
                 "no document is here whose text is kept, so no passage can be "
                 "found; compress one");
  }
  GIST_RETURN_IF_ERROR(StoreIndex(tenant, *loan.index));
  return documents;
}

TenantIndex Retriever::NewIndex() const {
  return TenantIndex(Settings({}), embedder_.info().dimensions);
}

// What is stored, if it can be used.
absl::Status Retriever::LoadIndex(std::string_view tenant,
                                  TenantIndexCache::Loan& loan) const {
  const auto bytes = store_.GetTenantIndex(tenant);
  if (bytes.ok()) {
    GIST_RETURN_IF_ERROR(loan.Reserve(int64_t(bytes->size())));
    auto index = DecodeTenantIndex(*bytes);
    if (index.ok() && index->settings() == Settings({})) {
      loan.index = std::make_unique<TenantIndex>(*std::move(index));
      return loan.Reserve(loan.index->memory_bytes());
    }
  } else if (!absl::IsNotFound(bytes.status()) &&
             !absl::IsDataLoss(bytes.status()) &&
             !absl::IsFailedPrecondition(bytes.status())) {
    return bytes.status();
  }
  loan.index = std::make_unique<TenantIndex>(NewIndex());
  return absl::OkStatus();
}

// The tenant's documents; the index holds no others any more.
absl::StatusOr<Retriever::Documents> Retriever::DropGone(
    std::string_view tenant, TenantIndex& index) const {
  GIST_ASSIGN_OR_RETURN(auto list, store_.TenantDocuments(tenant));
  Documents documents;
  for (TenantDocument& document : list) {
    documents.emplace(document.document_id, std::move(document));
  }
  for (const std::string& id : index.document_ids()) {
    if (!documents.contains(id)) index.Remove(id);
  }
  return documents;
}

absl::Status Retriever::AddDocument(const TenantDocument& document,
                                    const Caller& caller,
                                    TenantIndexCache::Loan& loan,
                                    Retrieved* retrieved) {
  const RetrievalOptions defaults;
  const std::string& id = document.document_id;
  GIST_ASSIGN_OR_RETURN(
      auto index, StoredIndex(id, document.text_bytes, Settings(defaults)));
  if (!index) {
    const auto text = store_.GetText(id);
    if (absl::IsNotFound(text.status())) return absl::OkStatus();  // gone
    if (!text.ok()) return Within(document.context_id, text.status());
    GIST_ASSIGN_OR_RETURN(index,
                          IndexOf(id, *text, defaults, caller, retrieved));
  }
  GIST_RETURN_IF_ERROR(
      loan.Reserve(loan.index->memory_bytes(std::ssize(index->chunks))));
  return loan.index->Add(id, *index, [&caller] { return caller.Check(); });
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

absl::StatusOr<std::vector<std::string>> Retriever::TextsNow(
    std::span<const FoundChunk> found, const Documents& documents) const {
  std::map<std::string_view, std::vector<size_t>> by_document;
  for (size_t i = 0; i < found.size(); ++i) {
    by_document[found[i].document_id].push_back(i);
  }
  std::vector<std::string> texts(found.size());
  for (const auto& [id, chunks] : by_document) {
    const auto text = TextNow(documents.find(id)->second);
    if (absl::IsNotFound(text.status())) continue;
    GIST_RETURN_IF_ERROR(text.status());
    for (const size_t i : chunks) texts[i] = found[i].chunk.TextIn(*text);
  }
  return texts;
}

// kNotFound: context or text are gone.
absl::StatusOr<std::string> Retriever::TextNow(
    const TenantDocument& document) const {
  GIST_RETURN_IF_ERROR(store_.Find(document.context_id).status());
  auto text = store_.GetText(document.document_id);
  if (!text.ok()) return Within(document.context_id, text.status());
  return text;
}

}  // namespace gist
