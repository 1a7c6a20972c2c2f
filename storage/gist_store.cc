#include "storage/gist_store.h"

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "core/base/status.h"
#include "storage/checksum.h"
#include "storage/context_record.h"
#include "storage/database.h"
#include "storage/kv_codec.h"

namespace gist {
namespace {

constexpr char kWhat[] = "gist store";

// Keys of the document index: who needs a document, and whether its text is
// kept. A context id never equals "text".
std::string IndexPrefix(std::string_view document_id) {
  return fmt::format("{}/", document_id);
}
std::string ContextKey(std::string_view document_id,
                       std::string_view context_id) {
  return fmt::format("{}/{}", document_id, context_id);
}
std::string TextKey(std::string_view document_id) {
  return fmt::format("{}/text", document_id);
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

// What of a blob's own record contradicts the one it is loaded for.
std::string Mismatch(const ContextRecord& blob, const ContextRecord& record) {
  const std::pair<const char*, std::string ContextRecord::*> names[] = {
      {"context_id", &ContextRecord::context_id},
      {"document_id", &ContextRecord::document_id},
      {"model_fingerprint", &ContextRecord::model_fingerprint},
      {"adapter_fingerprint", &ContextRecord::adapter_fingerprint}};
  for (const auto& [name, field] : names) {
    if (blob.*field == record.*field) continue;
    return fmt::format("{} {}, want {}", name, blob.*field, record.*field);
  }
  const std::pair<const char*, int64_t ContextRecord::*> counts[] = {
      {"document_bytes", &ContextRecord::document_bytes},
      {"document_tokens", &ContextRecord::document_tokens},
      {"kv_bytes", &ContextRecord::kv_bytes}};
  for (const auto& [name, field] : counts) {
    if (blob.*field == record.*field) continue;
    return fmt::format("{} {}, want {}", name, blob.*field, record.*field);
  }
  if (blob.gist_tokens == record.gist_tokens) return "";
  return fmt::format("gist_tokens {}, want {}", blob.gist_tokens,
                     record.gist_tokens);
}

class RocksGistStore : public GistStore {
 public:
  explicit RocksGistStore(std::unique_ptr<Database> database)
      : database_(std::move(database)) {}

  absl::Status Put(const ContextRecord& record, std::string_view text,
                   const GistKv& gists) override {
    return Fence(kWhat, [&] { return PutAll(record, text, gists); });
  }

  absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const override {
    return Fence(kWhat, [&] { return ReadRecord(context_id); });
  }

  absl::StatusOr<GistKv> GetGists(const ContextRecord& record) const override {
    return Fence(kWhat, [&] { return ReadGists(record); });
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

  absl::Status Delete(std::string_view context_id) override {
    return Fence(kWhat, [&] { return DeleteAll(context_id); });
  }

 private:
  absl::Status PutAll(ContextRecord record, std::string_view text,
                      const GistKv& gists);
  absl::StatusOr<ContextRecord> ReadRecord(std::string_view context_id) const;
  absl::StatusOr<GistKv> ReadGists(const ContextRecord& record) const;
  absl::StatusOr<std::string> ReadText(std::string_view document_id) const;
  absl::Status WriteChunkIndex(std::string_view document_id,
                               std::string_view bytes);
  absl::StatusOr<std::string> ReadChunkIndex(
      std::string_view document_id) const;
  // No tenant: of all.
  absl::StatusOr<ContextPage> ReadPage(std::optional<std::string_view> tenant,
                                       int page_size,
                                       std::string_view page_token) const;
  absl::Status DeleteAll(std::string_view context_id);
  absl::StatusOr<std::string> DocumentOf(std::string_view context_id) const;
  absl::StatusOr<bool> IsLastContext(std::string_view document_id,
                                     std::string_view context_id) const;

  std::unique_ptr<Database> database_;
  // Delete reads whether other contexts need the document before it writes: it
  // excludes Put, while Puts exclude nobody.
  std::shared_mutex delete_mutex_;
};

absl::Status RocksGistStore::PutAll(ContextRecord record, std::string_view text,
                                    const GistKv& gists) {
  record.kv_bytes = BlobKvBytes(gists);
  GIST_ASSIGN_OR_RETURN(const std::string blob,
                        EncodeGistBlob({record, gists, /*text=*/""}));
  const std::string problem = text.empty() ? "" : TextProblem(record, text);
  if (!problem.empty()) return absl::InvalidArgumentError(problem);

  const std::string& id = record.context_id;
  const std::string& document = record.document_id;
  Changes changes(*database_);
  changes.Put(Family::kGists, id, blob);
  changes.Put(Family::kContexts, id, Seal(id, RecordToJson(record)));
  changes.Put(Family::kDocumentIndex, ContextKey(document, id), "");
  if (!text.empty()) {
    changes.Put(Family::kDocuments, document, Seal(document, text));
    changes.Put(Family::kDocumentIndex, TextKey(document), "");
  }
  const std::shared_lock lock(delete_mutex_);
  return database_->Write(changes);
}

absl::StatusOr<ContextRecord> RocksGistStore::ReadRecord(
    std::string_view context_id) const {
  GIST_ASSIGN_OR_RETURN(const auto value,
                        database_->Get(Family::kContexts, context_id));
  if (!value) return NoContext(context_id);
  return UnsealRecord(context_id, *value);
}

absl::StatusOr<GistKv> RocksGistStore::ReadGists(
    const ContextRecord& record) const {
  const std::string& id = record.context_id;
  GIST_ASSIGN_OR_RETURN(const auto bytes, database_->Get(Family::kGists, id));
  if (!bytes) return NoContext(id);
  auto blob = DecodeGistBlob(*bytes);
  if (!blob.ok()) return InContext(id, blob.status());
  const std::string mismatch = Mismatch(blob->record, record);
  if (mismatch.empty()) return std::move(blob->gists);
  return InContext(id, absl::DataLossError(fmt::format(
                           "the stored gists' record has {}", mismatch)));
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

absl::Status RocksGistStore::WriteChunkIndex(std::string_view document_id,
                                             std::string_view bytes) {
  const std::shared_lock lock(delete_mutex_);  // the document stays
  GIST_ASSIGN_OR_RETURN(const auto text, database_->Get(Family::kDocumentIndex,
                                                        TextKey(document_id)));
  if (!text) {
    return absl::NotFoundError(fmt::format(
        "no text of document {:?} is kept: compress the document again",
        document_id));
  }
  Changes changes(*database_);
  changes.Put(Family::kChunkIndexes, document_id, Seal(document_id, bytes));
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
  const std::unique_lock lock(delete_mutex_);
  GIST_ASSIGN_OR_RETURN(const std::string document, DocumentOf(context_id));
  GIST_ASSIGN_OR_RETURN(const bool last, IsLastContext(document, context_id));
  Changes changes(*database_);
  changes.Delete(Family::kContexts, context_id);
  changes.Delete(Family::kGists, context_id);
  changes.Delete(Family::kDocumentIndex, ContextKey(document, context_id));
  if (last) {
    changes.Delete(Family::kDocuments, document);
    changes.Delete(Family::kChunkIndexes, document);
    changes.Delete(Family::kDocumentIndex, TextKey(document));
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

}  // namespace

absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStore(
    const std::string& folder) {
  using Opened = absl::StatusOr<std::unique_ptr<GistStore>>;
  return Fence(kWhat, [&]() -> Opened {
    GIST_ASSIGN_OR_RETURN(auto database, Database::Open(folder));
    return std::make_unique<RocksGistStore>(std::move(database));
  });
}

}  // namespace gist
