// A file system under RocksDB that fails on demand: after RocksDB's own
// FaultInjectionTestFS, which Debian's librocksdb does not ship.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace gist {

// Thread-safe.
class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  enum class Error { kInputOutput, kNoSpace };

  explicit FaultyFileSystem(uint64_t seed);
  const char* Name() const override { return "FaultyFileSystem"; }

  // One in `writes` calls that create, write or sync fails, one in `reads` that
  // read; 0: none. Those that fail have done nothing, or, of writes, a part.
  void FailOneIn(int writes, int reads, Error error);
  int64_t injected() const { return injected_; }

  // The machine loses its power: from now on nothing reaches the disk, and what
  // was not synchronised is lost. To be followed by closing the database and
  // DropUnsynced.
  void CutPower() { has_power_ = false; }
  // What the disk holds when the power is back: files cut to what was
  // synchronised, or to anywhere behind that; files of which nothing was are
  // gone. Gives the power back.
  void DropUnsynced();

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSSequentialFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  // For the files that it hands out.
  rocksdb::IOStatus BeforeWrite();
  rocksdb::IOStatus BeforeRead();
  void NoteSize(const std::string& path, uint64_t written);
  void NoteSync(const std::string& path);

 private:
  struct Sizes {
    uint64_t written = 0;
    uint64_t synced = 0;
  };
  rocksdb::IOStatus Fail(int one_in);

  std::atomic<bool> has_power_ = true;
  std::atomic<int> fail_writes_ = 0, fail_reads_ = 0;
  std::atomic<Error> error_ = Error::kInputOutput;
  std::atomic<int64_t> injected_ = 0;
  std::mutex mutex_;  // guards all below
  std::mt19937_64 random_;
  std::map<std::string, Sizes> sizes_;  // of files written here, by path
};

}  // namespace gist
