// Backups of the data folder, made while the service runs.
//
// A backup is a data folder of its own, backup-NNNNNN: the database's files,
// adapters/, datasets/ and training/, and backup.json, which lists each file
// with its size and SHA-256. A training that ran goes on from its last
// checkpoint where the backup is restored. Files of the database never change;
// on the same file system they are linked, not copied, so a backup that is to
// outlive the disk goes to another one.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/gist_store.h"

namespace gist {

struct Backup {
  std::string name;  // of its folder
  int64_t created_unix_ms = 0;
  int64_t bytes = 0;  // of all files
  int64_t files = 0;
};

struct BackupOptions {
  std::string folder;       // of the backups
  std::string data_folder;  // with adapters/, datasets/, training/, if any
  int max_backups = 3;      // older ones are deleted once a new one is whole
};

// Thread-safe.
class BackupFolder {
 public:
  // `store` outlives it. Touches no file.
  BackupFolder(GistStore& store, BackupOptions options)
      : store_(store), options_(std::move(options)) {}

  // On disk, and under its name, when it returns; cut short, it leaves nothing
  // that List names. kAborted: another one is being written;
  // kResourceExhausted, kUnavailable: the disk.
  absl::StatusOr<Backup> Create();
  // The newest first.
  absl::StatusOr<std::vector<Backup>> List() const;

 private:
  absl::StatusOr<Backup> Write(const std::string& folder);
  absl::Status DeleteOld() const;

  GistStore& store_;
  const BackupOptions options_;
  std::mutex creating_;
};

// Verifies the backup in `from`, copies it into `to`, which is new or empty,
// opens it and reads all that is in it. The number of contexts. kNotFound: no
// backup; kDataLoss: a file is missing or damaged, the message says which;
// kFailedPrecondition: something is in `to`, or the format is a newer gistd's.
absl::StatusOr<int64_t> RestoreBackup(const std::string& from,
                                      const std::string& to);

}  // namespace gist
