#include "storage/database.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/base/status.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "storage/file_log.h"
#include "storage/log_tail.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

constexpr char kVersionKey[] = "format_version";
constexpr int kFormatVersion = 4;
constexpr size_t kMebibyte = 1 << 20;

// Written in a folder before CURRENT exists: what a killed first start leaves.
// A volume's own folder is nobody's data.
bool MayPrecedeCurrent(std::string_view name) {
  return name == "LOCK" || name.starts_with("LOG") || name == "IDENTITY" ||
         name == "MANIFEST-000001" || name.ends_with(".dbtmp") ||
         name == "lost+found";
}

absl::Status CannotUse(std::string_view folder, std::string_view why) {
  return absl::FailedPreconditionError(fmt::format(
      "data folder {} cannot be used: {}: choose another --data-dir, or put "
      "that right",
      folder, why));
}

// Creates the folder if it is new; refuses one with anybody else's files.
absl::Status PrepareFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return CannotUse(folder, error.message());
  if (fs::exists(fs::path(folder) / "CURRENT", error)) return absl::OkStatus();
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (MayPrecedeCurrent(name)) continue;
    return CannotUse(folder, fmt::format("it holds {:?} and no database, so it "
                                         "is not gistd's",
                                         name));
  }
  if (error) return CannotUse(folder, error.message());
  return absl::OkStatus();
}

// A small footprint: documents are few and large, read one at a time.
rocksdb::Options TunedOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  options.create_if_missing = true;
  // The end of the log may be torn by a crash; a bad record before it would
  // cost acknowledged writes, so the default, which opens without them, is not
  // for us.
  options.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = true;
  options.track_and_verify_wals_in_manifest = true;
  // Families are flushed together. Were one of them behind, a refused write
  // that stands in an old log would come back in that one alone: by half.
  options.atomic_flush = true;
  // What counts is in the log; FillMemory's entries need not be kept.
  options.avoid_flush_during_shutdown = true;
  options.write_buffer_size = 16 * kMebibyte;
  options.db_write_buffer_size = 32 * kMebibyte;
  options.max_total_wal_size = 64 * kMebibyte;
  options.max_open_files = 256;
  options.max_background_jobs = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(16 * kMebibyte);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions(std::string_view name,
                                           const rocksdb::Options& options) {
  rocksdb::ColumnFamilyOptions family(options);
  family.compression =
      name == "documents" ? rocksdb::kZSTD : rocksdb::kNoCompression;
  return family;
}

absl::Status OpenError(const std::string& folder,
                       const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  // RocksDB has no code for it: its words are "While lock file" for another
  // process and "lock hold by current process" for this one.
  if (text.find("While lock file") != text.npos ||
      text.find("lock hold by current process") != text.npos) {
    return absl::FailedPreconditionError(fmt::format(
        "data folder {} is in use by another process: stop it or choose "
        "another --data-dir ({})",
        folder, text));
  }
  const absl::Status mapped = ToStatus("data folder " + folder, status);
  if (absl::IsUnavailable(mapped)) return CannotUse(folder, text);
  return mapped;
}

// What the database in `folder` says of its format; empty: nothing. Reads the
// one family that every database has.
std::string StampOf(const std::string& folder, rocksdb::Env* env) {
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  options.info_log = OpenFileLog(folder);
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::OpenForReadOnly(options, folder, &opened).ok()) return "";
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string stamp;
  return db->Get({}, kVersionKey, &stamp).ok() ? stamp : "";
}

absl::StatusOr<int> CheckVersion(const std::string& folder,
                                 std::string_view text);

// The column families of an existing database; of a new one, none.
absl::StatusOr<std::vector<std::string>> ExistingFamilies(
    const std::string& folder, rocksdb::Env* env) {
  std::error_code error;
  if (!fs::exists(fs::path(folder) / "CURRENT", error))
    return std::vector<std::string>();
  std::vector<std::string> names;
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  GIST_RETURN_IF_ERROR(OpenError(
      folder, rocksdb::DB::ListColumnFamilies(options, folder, &names)));
  for (const std::string& name : names) {
    if (std::ranges::find(kFamilyNames, name) != kFamilyNames.end()) continue;
    const std::string stamp = StampOf(folder, env);
    if (!stamp.empty()) {
      GIST_RETURN_IF_ERROR(CheckVersion(folder, stamp).status());
    }
    return CannotUse(folder,
                     fmt::format("its database has a column family {:?}: it is "
                                 "another program's, or a newer gistd's",
                                 name));
  }
  return names;
}

// The version, one that this program reads.
absl::StatusOr<int> CheckVersion(const std::string& folder,
                                 std::string_view text) {
  int version = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, version);
  if (parsed.ec != std::errc() || parsed.ptr != end || version < 1) {
    return absl::DataLossError(
        fmt::format("data folder {}: {} is {:?}, want a number", folder,
                    kVersionKey, text));
  }
  if (version <= kFormatVersion) return version;
  return absl::FailedPreconditionError(fmt::format(
      "data folder {} has format version {}, supported is {}: update gistd or "
      "choose another --data-dir",
      folder, version, kFormatVersion));
}

}  // namespace

absl::Status ToStatus(std::string_view what, const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = fmt::format("{}: {}", what, status.ToString());
  if (status.IsNoSpace())  // RocksDB looks every 5 s whether it may go on
    return absl::ResourceExhaustedError(text + ": free some and try again");
  if (status.IsMemoryLimit()) return absl::ResourceExhaustedError(text);
  if (status.IsNotFound()) return absl::NotFoundError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() ||
      status.IsTryAgain() || status.IsIncomplete() ||
      status.IsShutdownInProgress())
    return absl::UnavailableError(
        text + ": if this lasts, see to the disk and restart gistd");
  return absl::InternalError(text);
}

std::string TextKey(std::string_view document_id) {
  return fmt::format("{}/text", document_id);
}

std::string ChunksKey(std::string_view document_id) {
  return fmt::format("{}/chunks", document_id);
}

void Changes::Put(Family family, std::string_view key, std::string_view value) {
  batch_.Put(database_.Handle(family), key, value);
}

void Changes::Delete(Family family, std::string_view key) {
  batch_.Delete(database_.Handle(family), key);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    const std::string& folder, rocksdb::Env* env) {
  if (folder.empty())
    return absl::FailedPreconditionError("no data folder: give --data-dir");
  GIST_RETURN_IF_ERROR(PrepareFolder(folder));
  GIST_ASSIGN_OR_RETURN(std::vector<std::string> families,
                        ExistingFamilies(folder, env));
  std::unique_ptr<Database> database(new Database(env));
  GIST_RETURN_IF_ERROR(database->OpenRocksDb(folder, std::move(families)));
  // Only then are families added: a stranger's database stays as it was.
  GIST_ASSIGN_OR_RETURN(const int version, database->Claim(folder));
  GIST_RETURN_IF_ERROR(database->CreateMissingFamilies());
  GIST_RETURN_IF_ERROR(database->Migrate(version));
  return database;
}

Database::~Database() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle);
  }
}

absl::Status Database::OpenRocksDb(const std::string& folder,
                                   std::vector<std::string> families) {
  if (families.empty()) families = {kFamilyNames[0]};
  rocksdb::Options options = TunedOptions(env_);
  options.info_log = OpenFileLog(folder);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : families)
    descriptors.emplace_back(name, FamilyOptions(name, options));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  GIST_RETURN_IF_ERROR(CheckLogTails(folder, env_));
  GIST_RETURN_IF_ERROR(OpenError(
      folder, rocksdb::DB::Open(options, folder, descriptors, &handles, &db)));
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const auto name = std::ranges::find(kFamilyNames, handle->GetName());
    handles_[size_t(name - kFamilyNames.begin())] = handle;
  }
  return absl::OkStatus();
}

// The format version; it is written into a database that holds nothing yet.
absl::StatusOr<int> Database::Claim(const std::string& folder) {
  GIST_ASSIGN_OR_RETURN(const auto version, Get(Family::kDefault, kVersionKey));
  if (version) return CheckVersion(folder, *version);
  GIST_ASSIGN_OR_RETURN(const bool empty, IsEmpty());
  if (!empty) {
    return CannotUse(folder,
                     "its database has no format_version, so it is not "
                     "gistd's");
  }
  Changes changes(*this);
  changes.Put(Family::kDefault, kVersionKey, std::to_string(kFormatVersion));
  GIST_RETURN_IF_ERROR(Write(changes));
  return kFormatVersion;
}

// Version 1 has no marks of chunk indexes' sizes. Marks and stamp are one
// write: an interrupted migration starts again. Versions 2 and 3 lack nothing;
// their records are read as they are, and only the stamp keeps an older gistd
// out.
absl::Status Database::Migrate(int version) {
  if (version == kFormatVersion) return absl::OkStatus();
  Changes changes(*this);
  if (version == 1) GIST_RETURN_IF_ERROR(MarkChunkIndexes(changes));
  changes.Put(Family::kDefault, kVersionKey, std::to_string(kFormatVersion));
  return Write(changes);
}

absl::Status Database::MarkChunkIndexes(Changes& changes) const {
  const auto it = Scan(Family::kChunkIndexes);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    changes.Put(Family::kDocumentIndex, ChunksKey(it->key().ToStringView()),
                std::to_string(it->value().size()));
  }
  return ToStatus("chunk indexes", it->status());
}

absl::Status Database::CreateMissingFamilies() {
  const rocksdb::Options options = TunedOptions(env_);
  for (size_t i = 0; i < handles_.size(); ++i) {
    if (handles_[i] != nullptr) continue;
    const char* name = kFamilyNames[i];
    GIST_RETURN_IF_ERROR(
        ToStatus("create a column family",
                 db_->CreateColumnFamily(FamilyOptions(name, options), name,
                                         &handles_[i])));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Database::IsEmpty() const {
  for (size_t i = 0; i < handles_.size(); ++i) {
    if (handles_[i] == nullptr) continue;
    const auto it = Scan(static_cast<Family>(i));
    it->SeekToFirst();
    GIST_RETURN_IF_ERROR(ToStatus(kFamilyNames[i], it->status()));
    if (it->Valid()) return false;
  }
  return true;
}

absl::StatusOr<std::optional<std::string>> Database::Get(
    Family family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get({}, Handle(family), key, &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  GIST_RETURN_IF_ERROR(ToStatus(
      fmt::format("{} {}", kFamilyNames[size_t(family)], key), status));
  return std::optional<std::string>(std::move(value));
}

// After a failed write RocksDB goes on in a new log, but only if memory holds
// something to flush; else the next write to the old one aborts the process
// (7.8.3). So memory always holds something, written past the log: that a key
// is deleted which never is.
absl::Status Database::FillMemory() {
  uint64_t entries = 0;
  if (db_->GetIntProperty(Handle(Family::kDefault),
                          rocksdb::DB::Properties::kNumEntriesActiveMemTable,
                          &entries) &&
      entries > 0) {
    return absl::OkStatus();
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return ToStatus("write", db_->Delete(options, Handle(Family::kDefault), ""));
}

absl::Status Database::Write(Changes& changes) {
  GIST_RETURN_IF_ERROR(FillMemory());
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus("write", db_->Write(options, &changes.batch_));
}

absl::Status Database::WriteLazily(Changes& changes) {
  GIST_RETURN_IF_ERROR(FillMemory());
  return ToStatus("write", db_->Write({}, &changes.batch_));
}

absl::Status Database::Flush() {
  return ToStatus("flush", db_->Flush({}, {handles_.begin(), handles_.end()}));
}

absl::Status Database::Compact(Family family, std::string_view first,
                               std::string_view last) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  const rocksdb::Slice begin = first, end = last;
  const bool whole = first.empty() && last.empty();
  return ToStatus("compact", db_->CompactRange(options, Handle(family),
                                               whole ? nullptr : &begin,
                                               whole ? nullptr : &end));
}

absl::Status Database::CopyTo(const std::string& folder) {
  rocksdb::Checkpoint* created = nullptr;
  GIST_RETURN_IF_ERROR(
      ToStatus("checkpoint", rocksdb::Checkpoint::Create(db_.get(), &created)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(created);
  return ToStatus("checkpoint", checkpoint->CreateCheckpoint(folder));
}

std::unique_ptr<rocksdb::Iterator> Database::Scan(Family family) const {
  return std::unique_ptr<rocksdb::Iterator>(
      db_->NewIterator({}, Handle(family)));
}

}  // namespace gist
