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
  int64_t kv_bytes = 0;             // payload of the blob: keys and values
  int64_t created_unix_ms = 0;
  double compress_seconds = 0;      // wall time of the computation
  bool imported = false;            // came from a file, was not computed here
  friend bool operator==(const ContextRecord&, const ContextRecord&) = default;
};

struct ContextPage {
  std::vector<ContextRecord> records;  // ordered by context id
  std::string next_page_token;         // empty: no more
};

// Thread-safe. Writes are on disk when a call returns. Errors: kNotFound,
// kDataLoss (a stored value fails its checks: says what, got, wanted),
// kUnavailable (RocksDB cannot write), kResourceExhausted (no space left).
class GistStore {
 public:
  virtual ~GistStore() = default;

  // Stores all three or nothing. Replaces a context of the same id. An empty
  // `text` keeps gists alone (an import without its document).
  virtual absl::Status Put(const ContextRecord& record, std::string_view text,
                           const GistKv& gists) = 0;
  virtual absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const = 0;
  // Checked against its checksum and `record`'s fingerprints and shape.
  virtual absl::StatusOr<GistKv> GetGists(const ContextRecord& record) const = 0;
  // Checked against the checksum that was stored with it.
  virtual absl::StatusOr<std::string> GetText(
      std::string_view document_id) const = 0;
  // `page_token`: empty or from the page before. kInvalidArgument otherwise.
  virtual absl::StatusOr<ContextPage> List(int page_size,
                                           std::string_view page_token) const = 0;
  // Deletes the record, the blob and, with its last context, the document.
  virtual absl::Status Delete(std::string_view context_id) = 0;
};

// Opens or creates the database in `folder`. kFailedPrecondition: another
// process holds it, it is read-only, or its format is newer than this program;
// the message says which and what to do.
absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStore(
    const std::string& folder);

}  // namespace gist
