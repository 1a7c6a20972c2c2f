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
  kChunkIndexes
};
inline constexpr std::array<const char*, 6> kFamilyNames = {
    "default",  "documents",      "gists",
    "contexts", "document_index", "chunk_indexes"};

// kDataLoss (corruption), kResourceExhausted (no space), kUnavailable (other
// input and output), kNotFound, kInternal. `what` stands in front.
absl::Status ToStatus(std::string_view what, const rocksdb::Status& status);

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
  // As OpenGistStore.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const std::string& folder);
  ~Database();

  // No value: no such key.
  absl::StatusOr<std::optional<std::string>> Get(Family family,
                                                 std::string_view key) const;
  // On disk (synchronised) when it returns.
  absl::Status Write(Changes& changes);
  // Sees the family as it is now.
  std::unique_ptr<rocksdb::Iterator> Scan(Family family) const;

 private:
  friend class Changes;
  Database() = default;
  absl::Status OpenRocksDb(const std::string& folder,
                           std::vector<std::string> families);
  absl::Status Claim(const std::string& folder);
  absl::Status CreateMissingFamilies();
  absl::StatusOr<bool> IsEmpty() const;
  rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }

  std::unique_ptr<rocksdb::DB> db_;
  // By Family; owned by db_, which wants them back before it closes. Null: not
  // created yet.
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> handles_{};
};

}  // namespace gist
