#include "storage/gist_store.h"

#include <charconv>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <utility>

#include "core/base/checksum.h"
#include "core/base/status.h"
#include "storage/context_record.h"
#include "storage/database.h"
#include "storage/kv_codec.h"
#include "storage/open_with_env.h"
#include "storage/retention.h"

namespace gist {
namespace {

constexpr char kWhat[] = "gist store";

// Beyond this many deleted contexts a family is rewritten as a whole.
constexpr size_t kMostRanges = 32;

// Keys of the document index: who needs a document, whether its text is kept
// (TextKey), how large its chunk index is (ChunksKey). A context id equals
// neither "text" nor "chunks".
std::string IndexPrefix(std::string_view document_id) {
  return fmt::format("{}/", document_id);
}
std::string ContextKey(std::string_view document_id,
                       std::string_view context_id) {
  return fmt::format("{}/{}", document_id, context_id);
}
// A key is not empty; a tenant's name may be.
std::string TenantKey(std::string_view tenant) {
  return fmt::format("tenant/{}", tenant);
}
// Another one for each deletion: a context may be put and deleted again while
// its first deletion is being erased.
std::string ErasureKey(std::string_view context_id) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("{}/{:016x}", context_id, uint64_t(now.count()));
}

std::string_view View(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

absl::Status NoContext(std::string_view context_id) {
  return absl::NotFoundError(fmt::format(
      "no context {:?}: list the contexts to see which there are", context_id));
}

// `error` with the context's id in front and, where the data are damaged, the
// next step behind.
absl::Status InContext(std::string_view context_id, const absl::Status& error) {
  const char* next =
      absl::IsDataLoss(error)
          ? ": delete the context and compress the document again"
          : "";
  return absl::Status(error.code(), fmt::format("context {}: {}{}", context_id,
                                                Message(error), next));
}

absl::StatusOr<ContextRecord> UnsealRecord(std::string_view context_id,
                                           std::string_view value) {
  const auto json = Unseal(context_id, value);
  if (!json.ok()) return InContext(context_id, json.status());
  auto record = RecordFromJson(*json);
  if (!record.ok()) return InContext(context_id, record.status());
  return record;
}

// What of a blob's own record contradicts the one it is loaded for. The blob
// has one representation.
std::string Mismatch(const ContextRecord& blob, const ContextRecord& record,
                     const Representation& form) {
  const std::pair<const char*, std::string ContextRecord::*> names[] = {
      {"context_id", &ContextRecord::context_id},
      {"document_id", &ContextRecord::document_id},
      {"model_fingerprint", &ContextRecord::model_fingerprint}};
  for (const auto& [name, field] : names) {
    if (blob.*field == record.*field) continue;
    return fmt::format("{} {}, want {}", name, blob.*field, record.*field);
  }
  const std::pair<const char*, int64_t ContextRecord::*> counts[] = {
      {"document_bytes", &ContextRecord::document_bytes},
      {"document_tokens", &ContextRecord::document_tokens}};
  for (const auto& [name, field] : counts) {
    if (blob.*field == record.*field) continue;
    return fmt::format("{} {}, want {}", name, blob.*field, record.*field);
  }
  const Representation& own = blob.representations.front();
  if (own == form) return "";
  return fmt::format("the representation {} of {} B, want {} of {} B",
                     RepresentationKey(own), own.kv_bytes,
                     RepresentationKey(form), form.kv_bytes);
}

// Keys of a context's blobs begin with it; a context with an old id has one
// blob, whose key is the id.
std::string BlobPrefix(std::string_view context_id) {
  return fmt::format("{}/", context_id);
}
std::string BlobKey(const ContextRecord& record, const Representation& form) {
  if (HasOldId(record)) return record.context_id;
  return BlobPrefix(record.context_id) + RepresentationKey(form);
}

// `stored` with the representations of `added`: those of the same key are
// replaced.
absl::StatusOr<ContextRecord> Merged(ContextRecord stored,
                                     const ContextRecord& added) {
  std::erase_if(stored.representations, [&added](const Representation& form) {
    return added.Find(form) != nullptr;
  });
  stored.representations.insert(stored.representations.end(),
                                added.representations.begin(),
                                added.representations.end());
  if (stored.representations.size() <= kMaxRepresentations) return stored;
  return absl::ResourceExhaustedError(fmt::format(
      "context {} would have {} representations, want {} at most: delete the "
      "context and compress the document again",
      stored.context_id, stored.representations.size(), kMaxRepresentations));
}

// Of digits alone; else 0.
int64_t ParseCount(std::string_view text) {
  int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  return error == std::errc() && rest == end ? count : 0;
}

// What every context has costs nothing: it is not written.
void AddRetention(std::string_view context_id, const Retention& retention,
                  Changes& changes) {
  if (retention == Retention()) {
    changes.Delete(Family::kRetentions, context_id);
  } else {
    changes.Put(Family::kRetentions, context_id,
                SealRetention(context_id, retention));
  }
}

class RocksGistStore : public GistStore {
 public:
  explicit RocksGistStore(std::unique_ptr<Database> database)
      : database_(std::move(database)) {}

  using GistStore::Put;
  absl::Status Put(const ContextRecord& record, std::string_view text,
                   std::span<const CompressedKv> kv,
                   const Retention& retention) override {
    return Fence(kWhat, [&] { return PutAll(record, text, kv, retention); });
  }

  absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const override {
    return Fence(kWhat, [&] { return ReadRecord(context_id); });
  }

  absl::StatusOr<StoredContext> Find(
      std::string_view context_id) const override {
    return Fence(kWhat, [&] { return FindOne(context_id); });
  }

  absl::Status SetRetention(std::string_view context_id,
                            const Retention& retention) override {
    return Fence(kWhat, [&] { return WriteRetention(context_id, retention); });
  }

  absl::Status WriteUses(std::span<const ContextUse> uses) override {
    return Fence(kWhat, [&] { return WriteAllUses(uses); });
  }

  absl::StatusOr<CompressedKv> GetKv(
      const ContextRecord& record,
      const Representation& representation) const override {
    return Fence(kWhat, [&] { return ReadKv(record, representation); });
  }

  absl::StatusOr<std::string> GetText(
      std::string_view document_id) const override {
    return Fence(kWhat, [&] { return ReadText(document_id); });
  }

  absl::StatusOr<bool> HasText(std::string_view document_id) const override {
    return Fence(kWhat, [&]() -> absl::StatusOr<bool> {
      GIST_ASSIGN_OR_RETURN(
          const auto marker,
          database_->Get(Family::kDocumentIndex, TextKey(document_id)));
      return marker.has_value();
    });
  }

  absl::Status PutChunkIndex(std::string_view document_id,
                             std::string_view bytes) override {
    return Fence(kWhat, [&] { return WriteChunkIndex(document_id, bytes); });
  }

  absl::StatusOr<std::string> GetChunkIndex(
      std::string_view document_id) const override {
    return Fence(kWhat, [&] { return ReadChunkIndex(document_id); });
  }

  absl::Status PutTenantIndex(std::string_view tenant,
                              std::span<const std::string> document_ids,
                              std::string_view bytes) override {
    return Fence(kWhat,
                 [&] { return WriteTenantIndex(tenant, document_ids, bytes); });
  }

  absl::StatusOr<std::string> GetTenantIndex(
      std::string_view tenant) const override {
    return Fence(kWhat, [&] { return ReadTenantIndex(tenant); });
  }

  absl::StatusOr<ContextPage> List(int page_size,
                                   std::string_view page_token) const override {
    return Fence(kWhat,
                 [&] { return ReadPage(std::nullopt, page_size, page_token); });
  }

  absl::StatusOr<ContextPage> ListOf(
      std::string_view tenant, int page_size,
      std::string_view page_token) const override {
    return Fence(kWhat,
                 [&] { return ReadPage(tenant, page_size, page_token); });
  }

  absl::StatusOr<std::vector<StoredContext>> Inventory() const override {
    return Fence(kWhat, [&] { return ReadInventory(); });
  }

  absl::Status Delete(std::string_view context_id) override {
    return Fence(kWhat, [&] { return DeleteAll(context_id); });
  }

  absl::StatusOr<int64_t> EraseDeleted() override {
    return Fence(kWhat, [&] { return EraseAll(); });
  }

  absl::Status CopyTo(const std::string& folder) override {
    return Fence(kWhat, [&] { return database_->CopyTo(folder); });
  }

 private:
  using Documents = std::map<std::string, StoredContext, std::less<>>;
  // Keys and, as values, document ids.
  using Erasures = std::vector<std::pair<std::string, std::string>>;

  absl::Status PutAll(ContextRecord record, std::string_view text,
                      std::span<const CompressedKv> kv,
                      const Retention& retention);
  absl::StatusOr<ContextRecord> MergedWithStored(
      const ContextRecord& record) const;
  absl::Status DropBlobs(std::string_view context_id, const ContextRecord* keep,
                         Changes& changes) const;
  absl::StatusOr<Retention> ReadRetention(std::string_view context_id) const;
  absl::Status WriteRetention(std::string_view context_id,
                              const Retention& retention);
  absl::Status WriteAllUses(std::span<const ContextUse> uses);
  absl::StatusOr<std::vector<StoredContext>> ReadInventory() const;
  absl::StatusOr<StoredContext> FindOne(std::string_view context_id) const;
  absl::StatusOr<Documents> ReadDocuments() const;
  absl::StatusOr<StoredContext> Describe(std::string_view context_id,
                                         std::string_view value,
                                         const Documents& documents) const;
  absl::StatusOr<Erasures> ReadErasures() const;
  absl::StatusOr<int64_t> EraseAll();
  absl::Status CompactAround(const Erasures& erasures);
  absl::StatusOr<ContextRecord> ReadRecord(std::string_view context_id) const;
  absl::StatusOr<CompressedKv> ReadKv(const ContextRecord& record,
                                      const Representation& form) const;
  absl::StatusOr<std::string> ReadText(std::string_view document_id) const;
  absl::Status WriteChunkIndex(std::string_view document_id,
                               std::string_view bytes);
  absl::StatusOr<std::string> ReadChunkIndex(
      std::string_view document_id) const;
  absl::Status CheckHasText(std::string_view document_id) const;
  absl::Status WriteTenantIndex(std::string_view tenant,
                                std::span<const std::string> document_ids,
                                std::string_view bytes);
  absl::StatusOr<std::string> ReadTenantIndex(std::string_view tenant) const;
  absl::Status DropTenantIndex(std::string_view context_id, Changes& changes);
  // No tenant: of all.
  absl::StatusOr<ContextPage> ReadPage(std::optional<std::string_view> tenant,
                                       int page_size,
                                       std::string_view page_token) const;
  absl::Status DeleteAll(std::string_view context_id);
  absl::StatusOr<std::string> DocumentOf(std::string_view context_id) const;
  absl::StatusOr<bool> IsLastContext(std::string_view document_id,
                                     std::string_view context_id) const;

  std::unique_ptr<Database> database_;
  // Put and Delete read before they write: they hold it alone. Other writers,
  // which need a context or document to stay, share it.
  std::shared_mutex context_mutex_;
  std::mutex erase_mutex_;  // one EraseDeleted at a time
};

absl::Status RocksGistStore::PutAll(ContextRecord record, std::string_view text,
                                    std::span<const CompressedKv> kv,
                                    const Retention& retention) {
  std::vector<Representation>& forms = record.representations;
  if (forms.empty() && text.empty()) {
    return absl::InvalidArgumentError(
        "neither a representation nor a text: there is nothing to store");
  }
  if (forms.size() != kv.size()) {
    return absl::InvalidArgumentError(
        fmt::format("{} representations with keys and values of {}",
                    forms.size(), kv.size()));
  }
  std::vector<std::string> blobs;
  for (size_t i = 0; i < kv.size(); ++i) {
    SetSizes(kv[i], forms[i]);
    GIST_ASSIGN_OR_RETURN(std::string blob,
                          EncodeKvBlob(record.With(forms[i]), {&kv[i], 1}));
    blobs.push_back(std::move(blob));
  }
  std::string problem = RecordProblem(record);
  if (problem.empty() && !text.empty()) problem = TextProblem(record, text);
  if (!problem.empty()) return absl::InvalidArgumentError(problem);

  const std::string& id = record.context_id;
  const std::string& document = record.document_id;
  const std::unique_lock lock(context_mutex_);
  GIST_ASSIGN_OR_RETURN(const ContextRecord merged, MergedWithStored(record));
  Changes changes(*database_);
  GIST_RETURN_IF_ERROR(DropBlobs(id, &merged, changes));
  for (size_t i = 0; i < blobs.size(); ++i)
    changes.Put(Family::kGists, BlobKey(merged, forms[i]), blobs[i]);
  changes.Put(Family::kContexts, id, Seal(id, RecordToJson(merged)));
  changes.Put(Family::kDocumentIndex, ContextKey(document, id), "");
  AddRetention(id, retention, changes);
  if (!text.empty()) {
    changes.Put(Family::kDocuments, document, Seal(document, text));
    changes.Put(Family::kDocumentIndex, TextKey(document), "");
  }
  return database_->Write(changes);
}

// What is stored is kept but for what `record` replaces. A damaged record is
// replaced whole.
absl::StatusOr<ContextRecord> RocksGistStore::MergedWithStored(
    const ContextRecord& record) const {
  auto stored = ReadRecord(record.context_id);
  if (stored.ok()) return Merged(*std::move(stored), record);
  if (absl::IsNotFound(stored.status()) || absl::IsDataLoss(stored.status()))
    return record;
  return stored.status();
}

// Deletes the context's blobs, but for those of the representations of `keep`.
absl::Status RocksGistStore::DropBlobs(std::string_view context_id,
                                       const ContextRecord* keep,
                                       Changes& changes) const {
  std::set<std::string, std::less<>> kept;
  if (keep != nullptr) {
    for (const Representation& form : keep->representations)
      kept.insert(BlobKey(*keep, form));
  }
  const std::string prefix = BlobPrefix(context_id);
  const auto it = database_->Scan(Family::kGists);
  for (it->Seek(context_id); it->Valid(); it->Next()) {
    const std::string_view key = View(it->key());
    if (key != context_id && !key.starts_with(prefix)) break;
    if (!kept.contains(key)) changes.Delete(Family::kGists, key);
  }
  return ToStatus("blobs", it->status());
}

absl::StatusOr<ContextRecord> RocksGistStore::ReadRecord(
    std::string_view context_id) const {
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kContexts, context_id));
  if (!value) return NoContext(context_id);
  return UnsealRecord(context_id, *value);
}

absl::StatusOr<Retention> RocksGistStore::ReadRetention(
    std::string_view context_id) const {
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kRetentions, context_id));
  if (!value) return Retention();
  auto retention = UnsealRetention(context_id, *value);
  if (!retention.ok()) return InContext(context_id, retention.status());
  return retention;
}

absl::Status RocksGistStore::WriteRetention(std::string_view context_id,
                                            const Retention& retention) {
  const std::shared_lock lock(context_mutex_);  // the context stays
  GIST_ASSIGN_OR_RETURN(const auto record,
                        database_->Get(Family::kContexts, context_id));
  if (!record) return NoContext(context_id);
  Changes changes(*database_);
  AddRetention(context_id, retention, changes);
  return database_->Write(changes);
}

absl::Status RocksGistStore::WriteAllUses(std::span<const ContextUse> uses) {
  const std::shared_lock lock(context_mutex_);
  Changes changes(*database_);
  for (const ContextUse& use : uses) {
    GIST_ASSIGN_OR_RETURN(const auto record,
                          database_->Get(Family::kContexts, use.context_id));
    if (!record) continue;
    changes.Put(Family::kUses, use.context_id,
                Seal(use.context_id, std::to_string(use.used_unix_ms)));
  }
  return database_->WriteLazily(changes);
}

absl::StatusOr<CompressedKv> RocksGistStore::ReadKv(
    const ContextRecord& record, const Representation& form) const {
  const std::string& id = record.context_id;
  GIST_ASSIGN_OR_RETURN(const auto bytes,
                        database_->Get(Family::kGists, BlobKey(record, form)));
  if (!bytes) {
    return absl::NotFoundError(
        fmt::format("context {} has no representation {}: compress the "
                    "document again",
                    id, RepresentationKey(form)));
  }
  auto blob = DecodeKvBlob(*bytes);
  if (!blob.ok()) return InContext(id, blob.status());
  const std::string mismatch =
      blob->kv.size() != 1
          ? fmt::format("{} representations, want 1", blob->kv.size())
          : Mismatch(blob->record, record, form);
  if (mismatch.empty()) return std::move(blob->kv.front());
  return InContext(id, absl::DataLossError(fmt::format(
                           "the stored blob's record has {}", mismatch)));
}

absl::StatusOr<std::string> RocksGistStore::ReadText(
    std::string_view document_id) const {
  GIST_ASSIGN_OR_RETURN(auto value,
                        database_->Get(Family::kDocuments, document_id));
  if (!value) {
    return absl::NotFoundError(fmt::format(
        "no text of document {:?} is kept: compress the document again",
        document_id));
  }
  const auto text = Unseal(document_id, *value);
  if (text.ok()) return std::string(*text);
  return absl::Status(text.status().code(),
                      fmt::format("text of document {}: {}", document_id,
                                  Message(text.status())));
}

absl::Status RocksGistStore::CheckHasText(std::string_view document_id) const {
  GIST_ASSIGN_OR_RETURN(const auto text, database_->Get(Family::kDocumentIndex,
                                                        TextKey(document_id)));
  if (text) return absl::OkStatus();
  return absl::NotFoundError(fmt::format(
      "no text of document {:?} is kept: compress the document again",
      document_id));
}

absl::Status RocksGistStore::WriteChunkIndex(std::string_view document_id,
                                             std::string_view bytes) {
  const std::shared_lock lock(context_mutex_);  // the document stays
  GIST_RETURN_IF_ERROR(CheckHasText(document_id));
  const std::string sealed = Seal(document_id, bytes);
  Changes changes(*database_);
  changes.Put(Family::kChunkIndexes, document_id, sealed);
  changes.Put(Family::kDocumentIndex, ChunksKey(document_id),
              std::to_string(sealed.size()));
  return database_->Write(changes);
}

absl::StatusOr<std::string> RocksGistStore::ReadChunkIndex(
    std::string_view document_id) const {
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kChunkIndexes, document_id));
  if (!value) {
    return absl::NotFoundError(
        fmt::format("document {:?} has no chunk index: one is made when it is "
                    "first asked with retrieval",
                    document_id));
  }
  const auto bytes = Unseal(document_id, *value);
  if (bytes.ok()) return std::string(*bytes);
  return absl::Status(bytes.status().code(),
                      fmt::format("chunk index of document {}: {}", document_id,
                                  Message(bytes.status())));
}

absl::Status RocksGistStore::WriteTenantIndex(
    std::string_view tenant, std::span<const std::string> document_ids,
    std::string_view bytes) {
  const std::shared_lock lock(context_mutex_);  // the documents stay
  for (const std::string& id : document_ids) {
    GIST_RETURN_IF_ERROR(CheckHasText(id));
  }
  const std::string key = TenantKey(tenant);
  Changes changes(*database_);
  changes.Put(Family::kTenantIndexes, key, Seal(key, bytes));
  return database_->Write(changes);
}

absl::StatusOr<std::string> RocksGistStore::ReadTenantIndex(
    std::string_view tenant) const {
  const std::string key = TenantKey(tenant);
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kTenantIndexes, key));
  if (!value) {
    return absl::NotFoundError(
        "no index over all documents: one is made when it is first wanted");
  }
  const auto bytes = Unseal(key, *value);
  if (bytes.ok()) return std::string(*bytes);
  return Within("index over all documents", bytes.status());
}

// The one that may hold the context's document. Of a damaged record nobody
// knows the tenant.
absl::Status RocksGistStore::DropTenantIndex(std::string_view context_id,
                                             Changes& changes) {
  const auto record = ReadRecord(context_id);
  if (record.ok()) {
    changes.Delete(Family::kTenantIndexes, TenantKey(record->tenant));
    return absl::OkStatus();
  }
  const auto it = database_->Scan(Family::kTenantIndexes);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    changes.Delete(Family::kTenantIndexes, View(it->key()));
  }
  return ToStatus("tenant indexes", it->status());
}

absl::StatusOr<ContextPage> RocksGistStore::ReadPage(
    std::optional<std::string_view> tenant, int page_size,
    std::string_view page_token) const {
  if (page_size < 1) {
    return absl::InvalidArgumentError(
        fmt::format("page_size is {}, want 1 or more", page_size));
  }
  if (!page_token.empty() && !IsContextId(page_token)) {
    return absl::InvalidArgumentError(fmt::format(
        "page_token {:?} is not one of ours: pass next_page_token as it came, "
        "or none to start again",
        page_token));
  }
  const auto it = database_->Scan(Family::kContexts);
  it->Seek(page_token);
  if (it->Valid() && View(it->key()) == page_token) it->Next();
  ContextPage page;
  for (; it->Valid(); it->Next()) {
    auto record = UnsealRecord(View(it->key()), View(it->value()));
    if (tenant && !tenant->empty() && absl::IsDataLoss(record.status())) {
      continue;
    }
    GIST_RETURN_IF_ERROR(record.status());
    if (tenant && record->tenant != *tenant) continue;
    if (std::cmp_equal(page.records.size(), page_size)) {
      page.next_page_token = page.records.back().context_id;
      break;
    }
    page.records.push_back(*std::move(record));
  }
  GIST_RETURN_IF_ERROR(ToStatus("list contexts", it->status()));
  return page;
}

absl::Status RocksGistStore::DeleteAll(std::string_view context_id) {
  const std::unique_lock lock(context_mutex_);
  GIST_ASSIGN_OR_RETURN(const std::string document, DocumentOf(context_id));
  GIST_ASSIGN_OR_RETURN(const bool last, IsLastContext(document, context_id));
  Changes changes(*database_);
  changes.Delete(Family::kContexts, context_id);
  GIST_RETURN_IF_ERROR(DropBlobs(context_id, nullptr, changes));
  changes.Delete(Family::kRetentions, context_id);
  changes.Delete(Family::kUses, context_id);
  changes.Put(Family::kErasures, ErasureKey(context_id), document);
  changes.Delete(Family::kDocumentIndex, ContextKey(document, context_id));
  if (last) {
    changes.Delete(Family::kDocuments, document);
    changes.Delete(Family::kChunkIndexes, document);
    changes.Delete(Family::kDocumentIndex, TextKey(document));
    changes.Delete(Family::kDocumentIndex, ChunksKey(document));
    GIST_RETURN_IF_ERROR(DropTenantIndex(context_id, changes));
  }
  return database_->Write(changes);
}

// Of a damaged record the index still knows the document.
absl::StatusOr<std::string> RocksGistStore::DocumentOf(
    std::string_view context_id) const {
  const auto record = ReadRecord(context_id);
  if (record.ok()) return record->document_id;
  if (!absl::IsDataLoss(record.status())) return record.status();
  const auto it = database_->Scan(Family::kDocumentIndex);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = View(it->key());
    const size_t slash = key.find('/');
    if (slash != key.npos && key.substr(slash + 1) == context_id)
      return std::string(key.substr(0, slash));
  }
  GIST_RETURN_IF_ERROR(ToStatus("document index", it->status()));
  return record.status();
}

absl::StatusOr<bool> RocksGistStore::IsLastContext(
    std::string_view document_id, std::string_view context_id) const {
  const std::string prefix = IndexPrefix(document_id);
  const auto it = database_->Scan(Family::kDocumentIndex);
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    if (!View(it->key()).starts_with(prefix)) break;
    const std::string_view name = View(it->key()).substr(prefix.size());
    if (IsContextId(name) && name != context_id) return false;
  }
  GIST_RETURN_IF_ERROR(ToStatus("document index", it->status()));
  return true;
}

// By document id: whether the text is kept (as text_bytes 1) and the size of
// the chunk index.
absl::StatusOr<RocksGistStore::Documents> RocksGistStore::ReadDocuments()
    const {
  Documents documents;
  const auto it = database_->Scan(Family::kDocumentIndex);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = View(it->key());
    const size_t slash = key.find('/');
    if (slash == key.npos) continue;
    const std::string_view name = key.substr(slash + 1);
    if (IsContextId(name)) continue;
    StoredContext& document = documents[std::string(key.substr(0, slash))];
    if (name == "text") document.text_bytes = 1;
    if (name == "chunks") document.index_bytes = ParseCount(View(it->value()));
  }
  GIST_RETURN_IF_ERROR(ToStatus("document index", it->status()));
  return documents;
}

absl::StatusOr<StoredContext> RocksGistStore::Describe(
    std::string_view context_id, std::string_view value,
    const Documents& documents) const {
  StoredContext context;
  context.context_id = std::string(context_id);
  const auto record = UnsealRecord(context_id, value);
  if (!record.ok()) {
    context.status = record.status();
    auto document = DocumentOf(context_id);
    if (document.ok()) context.document_id = *std::move(document);
    return context;
  }
  context.document_id = record->document_id;
  context.tenant = record->tenant;
  context.document_tokens = record->document_tokens;
  for (const Representation& form : record->representations)
    context.kv_bytes[RepresentationKey(form)] = form.kv_bytes;
  context.used_unix_ms = record->created_unix_ms;
  const auto document = documents.find(record->document_id);
  if (document != documents.end()) {
    context.index_bytes = document->second.index_bytes;
    if (document->second.text_bytes > 0)
      context.text_bytes = record->document_bytes;
  }
  const auto retention = ReadRetention(context_id);
  context.status = retention.status();
  if (retention.ok()) context.retention = *retention;
  GIST_ASSIGN_OR_RETURN(const auto use,
                        database_->Get(Family::kUses, context_id));
  // A damaged time is as good as none: the context is as old as its record.
  if (use) {
    const auto time = Unseal(context_id, *use);
    if (time.ok()) context.used_unix_ms = ParseCount(*time);
  }
  return context;
}

absl::StatusOr<StoredContext> RocksGistStore::FindOne(
    std::string_view context_id) const {
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kContexts, context_id));
  if (!value) return NoContext(context_id);
  GIST_ASSIGN_OR_RETURN(const ContextRecord record,
                        UnsealRecord(context_id, *value));
  const std::string& id = record.document_id;
  GIST_ASSIGN_OR_RETURN(const auto text,
                        database_->Get(Family::kDocumentIndex, TextKey(id)));
  GIST_ASSIGN_OR_RETURN(const auto chunks,
                        database_->Get(Family::kDocumentIndex, ChunksKey(id)));
  Documents documents;
  documents[id].text_bytes = text ? 1 : 0;
  documents[id].index_bytes = chunks ? ParseCount(*chunks) : 0;
  GIST_ASSIGN_OR_RETURN(StoredContext context,
                        Describe(context_id, *value, documents));
  GIST_RETURN_IF_ERROR(context.status);
  return context;
}

absl::StatusOr<std::vector<StoredContext>> RocksGistStore::ReadInventory()
    const {
  GIST_ASSIGN_OR_RETURN(const Documents documents, ReadDocuments());
  std::vector<StoredContext> contexts;
  const auto it = database_->Scan(Family::kContexts);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    GIST_ASSIGN_OR_RETURN(
        StoredContext context,
        Describe(View(it->key()), View(it->value()), documents));
    contexts.push_back(std::move(context));
  }
  GIST_RETURN_IF_ERROR(ToStatus("contexts", it->status()));
  return contexts;
}

absl::StatusOr<RocksGistStore::Erasures> RocksGistStore::ReadErasures() const {
  Erasures erasures;
  const auto it = database_->Scan(Family::kErasures);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    erasures.emplace_back(it->key().ToString(), it->value().ToString());
  }
  GIST_RETURN_IF_ERROR(ToStatus("erasures", it->status()));
  return erasures;
}

// Log and memory first: what is not in a table file cannot be compacted.
absl::StatusOr<int64_t> RocksGistStore::EraseAll() {
  const std::scoped_lock lock(erase_mutex_);
  GIST_ASSIGN_OR_RETURN(const Erasures erasures, ReadErasures());
  if (erasures.empty()) return 0;
  GIST_RETURN_IF_ERROR(database_->Flush());
  GIST_RETURN_IF_ERROR(CompactAround(erasures));
  Changes changes(*database_);
  for (const auto& [key, document] : erasures)
    changes.Delete(Family::kErasures, key);
  GIST_RETURN_IF_ERROR(database_->Write(changes));
  GIST_RETURN_IF_ERROR(database_->Flush());
  GIST_RETURN_IF_ERROR(database_->Compact(Family::kErasures, "", ""));
  return int64_t(erasures.size());
}

absl::Status RocksGistStore::CompactAround(const Erasures& erasures) {
  constexpr Family kByContext[] = {Family::kContexts, Family::kGists,
                                   Family::kRetentions, Family::kUses};
  constexpr Family kByDocument[] = {Family::kDocuments, Family::kChunkIndexes,
                                    Family::kDocumentIndex};
  // Any tenant's may hold what was deleted.
  GIST_RETURN_IF_ERROR(database_->Compact(Family::kTenantIndexes, "", ""));
  if (erasures.size() > kMostRanges) {
    for (const auto& families : {std::span<const Family>(kByContext),
                                 std::span<const Family>(kByDocument)}) {
      for (Family family : families)
        GIST_RETURN_IF_ERROR(database_->Compact(family, "", ""));
    }
    return absl::OkStatus();
  }
  for (const auto& [key, document] : erasures) {
    const std::string_view context =
        std::string_view(key).substr(0, key.find('/'));
    const std::string last_blob = BlobPrefix(context) + "~";
    for (Family family : kByContext)
      GIST_RETURN_IF_ERROR(database_->Compact(family, context, last_blob));
    const std::string last = document + "/~";  // behind all of its marks
    for (Family family : kByDocument)
      GIST_RETURN_IF_ERROR(database_->Compact(family, document, last));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<GistStore>> OpenWith(const std::string& folder,
                                                    rocksdb::Env* env) {
  using Opened = absl::StatusOr<std::unique_ptr<GistStore>>;
  return Fence(kWhat, [&]() -> Opened {
    GIST_ASSIGN_OR_RETURN(auto database, Database::Open(folder, env));
    return std::make_unique<RocksGistStore>(std::move(database));
  });
}

}  // namespace

std::vector<TenantDocument> DocumentsOf(
    std::string_view tenant, std::span<const StoredContext> contexts) {
  std::map<std::string_view, TenantDocument> documents;
  for (const StoredContext& context : contexts) {
    if (!context.status.ok() || context.tenant != tenant) continue;
    if (context.text_bytes == 0) continue;
    TenantDocument& document = documents[context.document_id];
    if (document.context_id.empty() ||
        context.context_id < document.context_id) {
      document = {context.document_id, context.context_id, context.text_bytes,
                  context.document_tokens};
    }
  }
  std::vector<TenantDocument> list;
  for (auto& [id, document] : documents) list.push_back(std::move(document));
  return list;
}

absl::StatusOr<std::vector<TenantDocument>> GistStore::TenantDocuments(
    std::string_view tenant) const {
  GIST_ASSIGN_OR_RETURN(const auto contexts, Inventory());
  return DocumentsOf(tenant, contexts);
}

absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStore(
    const std::string& folder) {
  return OpenWith(folder, nullptr);
}

absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStoreWithEnv(
    const std::string& folder, rocksdb::Env* env) {
  return OpenWith(folder, env);
}

}  // namespace gist
