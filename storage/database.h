// RocksDB with this program's column families: opening, tuning, and its errors
// as absl::Status. Internal to storage/.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace gist {

// Column families; FORMAT.md gives their keys and values.
enum class Family {
  kDefault,
  kDocuments,
  kGists,
  kContexts,
  kDocumentIndex,
  kChunkIndexes,
  kRetentions,
  kUses,
  kErasures,
  kTenantIndexes
};
inline constexpr std::array<const char*, 10> kFamilyNames = {
    "default",       "documents",  "gists", "contexts", "document_index",
    "chunk_indexes", "retentions", "uses",  "erasures", "tenant_indexes"};

// kDataLoss (corruption), kResourceExhausted (no space), kUnavailable (other
// input and output), kNotFound, kInternal. `what` stands in front.
absl::Status ToStatus(std::string_view what, const rocksdb::Status& status);

// Marks in the document index that the store shares with Migrate: that a
// document's text is kept, and how large its chunk index is.
std::string TextKey(std::string_view document_id);
std::string ChunksKey(std::string_view document_id);

// Several changes that happen together or not at all.
class Database;
class Changes {
 public:
  explicit Changes(const Database& database) : database_(database) {}
  void Put(Family family, std::string_view key, std::string_view value);
  void Delete(Family family, std::string_view key);

 private:
  friend class Database;
  const Database& database_;
  rocksdb::WriteBatch batch_;
};

// Thread-safe.
class Database {
 public:
  // As OpenGistStore. `env`: what files are read and written through; null:
  // the operating system. Outlives the database.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const std::string& folder, rocksdb::Env* env = nullptr);
  ~Database();

  // No value: no such key.
  absl::StatusOr<std::optional<std::string>> Get(Family family,
                                                 std::string_view key) const;
  // On disk (synchronised) when it returns.
  absl::Status Write(Changes& changes);
  // Outlives this process, but not the machine's power, until the next Write.
  absl::Status WriteLazily(Changes& changes);
  // Empties write-ahead log and memory into table files.
  absl::Status Flush();
  // Rewrites the table files that hold keys from `first` to `last`, without
  // what was deleted or replaced. Both empty: all of the family.
  absl::Status Compact(Family family, std::string_view first,
                       std::string_view last);
  // A database of its own in `folder`, which is new: what was acknowledged
  // before the call. Table files are linked where that is possible.
  absl::Status CopyTo(const std::string& folder);
  // Sees the family as it is now.
  std::unique_ptr<rocksdb::Iterator> Scan(Family family) const;

 private:
  friend class Changes;
  explicit Database(rocksdb::Env* env) : env_(env) {}
  absl::Status OpenRocksDb(const std::string& folder,
                           std::vector<std::string> families);
  absl::StatusOr<int> Claim(const std::string& folder);
  absl::Status CreateMissingFamilies();
  absl::Status Migrate(int version);
  absl::Status MarkChunkIndexes(Changes& changes) const;
  absl::StatusOr<bool> IsEmpty() const;
  absl::Status FillMemory();
  rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }

  rocksdb::Env* const env_;  // null: the default one
  std::unique_ptr<rocksdb::DB> db_;
  // By Family; owned by db_, which wants them back before it closes. Null: not
  // created yet.
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> handles_{};
};

}  // namespace gist
