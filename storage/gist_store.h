// Documents, their compressed forms and the records that name both, kept in
// RocksDB.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/compress/compressed_kv.h"
#include "core/compress/representation.h"

namespace gist {

// A document of a tenant under one model, and the forms it is stored in beside
// its text: what a user holds the id of.
struct ContextRecord {
  std::string context_id;         // "ctx_" and 32 hex digits
  std::string document_id;        // 64 hex digits
  std::string model_fingerprint;  // 64 hex digits; needed again to read
  int64_t document_bytes = 0;     // of UTF-8 text
  int64_t document_tokens = 0;
  int64_t created_unix_ms = 0;  // of the first write
  std::string tenant = {};      // whose it is; empty: the default tenant
  // Of different keys, the oldest first; none: the text alone. kv_slots and
  // kv_bytes are set by Put and EncodeKvBlob: what the caller set is not read.
  std::vector<Representation> representations = {};

  int64_t KvBytes() const;  // of all representations
  // The newest of `rung`; null: none. `gist_tokens`: of this many gists; 0:
  // any. `adapter`: one by the adapter of this fingerprint comes first.
  const Representation* Newest(Rung rung, int gist_tokens = 0,
                               std::string_view adapter = {}) const;
  // The newest of all; null: none.
  const Representation* Newest() const;
  // The one with the same key (RepresentationKey) as `wanted`; null: none.
  const Representation* Find(const Representation& wanted) const;
  // A copy that has `representation` alone.
  ContextRecord With(const Representation& representation) const;

  friend bool operator==(const ContextRecord&, const ContextRecord&) = default;
};

// How long a context is kept. Beside its record, which never changes.
struct Retention {
  int64_t expire_unix_ms = 0;  // gone from then on; 0: never
  bool pinned = false;  // never gives way to others; expires all the same
  friend bool operator==(const Retention&, const Retention&) = default;
};

struct ContextUse {
  std::string context_id;
  int64_t used_unix_ms = 0;
};

// What a context takes and how long it is kept, for whoever keeps the books.
struct StoredContext {
  std::string context_id;
  std::string document_id;
  std::string tenant = {};
  int64_t document_tokens = 0;
  // Bytes of keys and values, by RepresentationKey.
  std::map<std::string, int64_t> kv_bytes = {};
  int64_t text_bytes = 0;    // of the document, before compression; 0: not kept
  int64_t index_bytes = 0;   // of the document's chunk index; 0: none
  int64_t used_unix_ms = 0;  // created, if no use was noted
  Retention retention;
  // Not OK: record or retention is damaged, and all but the ids may be 0.
  absl::Status status;
};

// A document whose text is kept.
struct TenantDocument {
  std::string document_id;
  std::string context_id;  // the first of those that need it
  int64_t text_bytes = 0;
  int64_t document_tokens = 0;
};

// Those of `tenant` among `contexts`, by document id. What is damaged is left
// out.
std::vector<TenantDocument> DocumentsOf(
    std::string_view tenant, std::span<const StoredContext> contexts);

// As far as the books go; 0: no bound, or no books.
struct StoreUsage {
  int64_t contexts = 0;
  int64_t bytes = 0;  // of keys and values, texts and chunk indexes
  int64_t max_contexts = 0;
  int64_t max_bytes = 0;
};

struct ContextPage {
  std::vector<ContextRecord> records;  // ordered by context id
  std::string next_page_token;         // empty: no more
};

// Thread-safe. Writes are on disk when a call returns. Errors: kNotFound,
// kDataLoss (a stored value fails its checks: says what, got, wanted),
// kUnavailable (RocksDB cannot read or write), kResourceExhausted (no space
// left).
class GistStore {
 public:
  virtual ~GistStore() = default;

  // Stores all or nothing: the record's representations, whose keys and values
  // are `kv`, in order. A context of the same id keeps its other
  // representations and its created_unix_ms; one of the same key is replaced.
  // Without representations the text alone is stored. An empty `text` stores no
  // document (an import without it) and leaves a text that is there already.
  // kInvalidArgument: the record, the text and `kv` do not fit each other, `kv`
  // holds NaN or infinity, or there is nothing to store. kResourceExhausted:
  // too many representations.
  virtual absl::Status Put(const ContextRecord& record, std::string_view text,
                           std::span<const CompressedKv> kv,
                           const Retention& retention) = 0;
  absl::Status Put(const ContextRecord& record, std::string_view text,
                   const CompressedKv& kv, const Retention& retention = {}) {
    return Put(record, text, {&kv, 1}, retention);
  }
  // kResourceExhausted: Put would refuse the record, of representations with
  // these kv_bytes and with a text of so many bytes (0: none), for want of room
  // under a quota. To be asked before they are computed.
  virtual absl::Status CheckRoom(const ContextRecord& /*record*/,
                                 int64_t /*text_bytes*/) const {
    return absl::OkStatus();
  }
  virtual absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const = 0;
  // What it takes and how long it is kept; its `status` is OK.
  virtual absl::StatusOr<StoredContext> Find(
      std::string_view context_id) const = 0;
  virtual absl::Status SetRetention(std::string_view context_id,
                                    const Retention& retention) = 0;
  // The context is used now. Costs no write; who keeps no books does nothing.
  virtual void NoteUse(std::string_view /*context_id*/) {}
  // Writes down when contexts were last used; those that are gone are skipped.
  // The one write that is not synchronised: losing it makes a context older.
  virtual absl::Status WriteUses(std::span<const ContextUse> uses) = 0;
  // Keys and values of one of `record`'s representations, checked against its
  // checksum and the record. kNotFound: there is no such representation.
  virtual absl::StatusOr<CompressedKv> GetKv(
      const ContextRecord& record,
      const Representation& representation) const = 0;
  // Checked against the checksum that was stored with it. kNotFound: the gists
  // were imported without it, or there is no such document.
  virtual absl::StatusOr<std::string> GetText(
      std::string_view document_id) const = 0;
  // Is the text kept? Reads an index, not the text.
  virtual absl::StatusOr<bool> HasText(std::string_view document_id) const = 0;
  // What finds a document's chunks: bytes of EncodeChunkIndex, in place of
  // those that are there. kNotFound: the document's text is not kept.
  virtual absl::Status PutChunkIndex(std::string_view document_id,
                                     std::string_view bytes) = 0;
  // kNotFound: none was put.
  virtual absl::StatusOr<std::string> GetChunkIndex(
      std::string_view document_id) const = 0;
  // The tenant's documents whose text is kept, by id.
  virtual absl::StatusOr<std::vector<TenantDocument>> TenantDocuments(
      std::string_view tenant) const;
  // What finds the chunks of a tenant's documents: bytes of EncodeTenantIndex,
  // in place of those that are there, made from `document_ids`. It is gone as
  // soon as one of the tenant's documents is. kNotFound: one of them is gone.
  virtual absl::Status PutTenantIndex(std::string_view tenant,
                                      std::span<const std::string> document_ids,
                                      std::string_view bytes) = 0;
  // kNotFound: none was put, or a document was deleted since.
  virtual absl::StatusOr<std::string> GetTenantIndex(
      std::string_view tenant) const = 0;
  // `page_size`: 1 or more. `page_token`: empty or from the page before.
  // kInvalidArgument otherwise.
  virtual absl::StatusOr<ContextPage> List(
      int page_size, std::string_view page_token) const = 0;
  // The same, of one tenant's alone; reads every record. A record that is
  // damaged names no tenant and is left out, but for the default tenant.
  virtual absl::StatusOr<ContextPage> ListOf(
      std::string_view tenant, int page_size,
      std::string_view page_token) const = 0;
  virtual StoreUsage usage() const { return {}; }
  // All contexts, in no order. Reads every record and no blob.
  virtual absl::StatusOr<std::vector<StoredContext>> Inventory() const = 0;
  // Deletes the record, the blobs and, with its last context, the document, its
  // chunk index and its tenant's index. Also deletes what GetRecord and GetKv
  // call damaged. No call finds them any more; their bytes leave the
  // files with EraseDeleted.
  virtual absl::Status Delete(std::string_view context_id) = 0;
  // Rewrites the files that hold what was deleted: afterwards no file of the
  // database has any of it. Also of contexts deleted before a restart. How many
  // contexts that were. Slow: minutes for gigabytes; other calls go on.
  virtual absl::StatusOr<int64_t> EraseDeleted() = 0;
  // A store of its own in `folder`, which is new: all that was acknowledged
  // before the call. Writes go on meanwhile.
  virtual absl::Status CopyTo(const std::string& folder) = 0;
};

// Opens or creates the database in `folder`, which is new, empty or made by
// this function or an older version of it. kFailedPrecondition: another process
// holds it, it is read-only, something else is in it, or its format is newer
// than this program; the message says which and what to do. kDataLoss: the
// database is damaged.
absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStore(
    const std::string& folder);

}  // namespace gist
