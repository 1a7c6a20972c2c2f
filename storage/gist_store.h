// Documents, their gists and the records that name both, kept in RocksDB.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/gist_kv.h"

namespace gist {

// One compression of one document: what a user holds the id of.
struct ContextRecord {
  std::string context_id;           // "ctx_" and 32 hex digits
  std::string document_id;          // 64 hex digits
  std::string model_fingerprint;    // 64 hex digits; needed again to read
  std::string adapter_fingerprint;  // 64 hex digits; made the gists
  int64_t document_bytes = 0;       // of UTF-8 text
  int64_t document_tokens = 0;
  int gist_tokens = 0;
  // Payload of the blob, keys and values. Set by whoever writes it (Put,
  // EncodeGistBlob) as BlobKvBytes says: what the caller set is not read.
  int64_t kv_bytes = 0;
  int64_t created_unix_ms = 0;
  double compress_seconds = 0;  // wall time of the computation
  bool imported = false;        // came from a file, was not computed here
  std::string tenant = {};      // whose it is; empty: the default tenant
  friend bool operator==(const ContextRecord&, const ContextRecord&) = default;
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

  // Stores all three or nothing. Replaces a context of the same id. An empty
  // `text` keeps gists alone (an import without its document) and leaves a text
  // that is there already. kInvalidArgument: the record, the text and the gists
  // do not fit each other, or the gists hold NaN or infinity.
  virtual absl::Status Put(const ContextRecord& record, std::string_view text,
                           const GistKv& gists) = 0;
  virtual absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const = 0;
  // Checked against its checksum and `record`'s fingerprints and shape.
  virtual absl::StatusOr<GistKv> GetGists(
      const ContextRecord& record) const = 0;
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
  // `page_size`: 1 or more. `page_token`: empty or from the page before.
  // kInvalidArgument otherwise.
  virtual absl::StatusOr<ContextPage> List(
      int page_size, std::string_view page_token) const = 0;
  // The same, of one tenant's alone; reads every record. A record that is
  // damaged names no tenant and is left out, but for the default tenant.
  virtual absl::StatusOr<ContextPage> ListOf(
      std::string_view tenant, int page_size,
      std::string_view page_token) const = 0;
  // Deletes the record, the blob and, with its last context, the document and
  // its chunk index. Also deletes what GetRecord and GetGists call damaged.
  virtual absl::Status Delete(std::string_view context_id) = 0;
};

// Opens or creates the database in `folder`, which is new, empty or made by
// this function. kFailedPrecondition: another process holds it, it is
// read-only, something else is in it, or its format is newer than this program;
// the message says which and what to do. kDataLoss: the database is damaged.
absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStore(
    const std::string& folder);

}  // namespace gist
