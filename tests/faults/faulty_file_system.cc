#include "tests/faults/faulty_file_system.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace gist {
namespace {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultyWritableFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyWritableFile(std::unique_ptr<rocksdb::FSWritableFile> file,
                     std::string path, FaultyFileSystem& system)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        system_(system) {
    system_.NoteSize(path_, 0);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    const IOStatus fault = system_.BeforeWrite();
    if (!fault.ok()) {
      // Torn: a part of it got there.
      if (fault.IsIOError() && !fault.IsNoSpace()) {
        written_ += data.size() / 2;
        FSWritableFileOwnerWrapper::Append({data.data(), data.size() / 2},
                                           options, debug)
            .PermitUncheckedError();
      }
      return fault;
    }
    const IOStatus status =
        FSWritableFileOwnerWrapper::Append(data, options, debug);
    if (status.ok()) system_.NoteSize(path_, written_ += data.size());
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Synced(FSWritableFileOwnerWrapper::Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced(FSWritableFileOwnerWrapper::Fsync(options, debug));
  }

 private:
  IOStatus Synced(IOStatus status) {
    IOStatus fault = system_.BeforeWrite();
    if (!fault.ok()) return fault;
    if (status.ok()) system_.NoteSync(path_);
    return status;
  }

  const std::string path_;
  FaultyFileSystem& system_;
  uint64_t written_ = 0;
};

class FaultyRandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultyRandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file,
                         FaultyFileSystem& system)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), system_(system) {}
  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options,
                Slice* result, char* scratch,
                IODebugContext* debug) const override {
    const IOStatus fault = system_.BeforeRead();
    if (!fault.ok()) return fault;
    return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result,
                                                scratch, debug);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count,
                     const IOOptions& options, IODebugContext* debug) override {
    const IOStatus fault = system_.BeforeRead();
    if (!fault.ok()) return fault;
    return FSRandomAccessFileOwnerWrapper::MultiRead(requests, count, options,
                                                     debug);
  }

 private:
  FaultyFileSystem& system_;
};

class FaultySequentialFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultySequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file,
                       FaultyFileSystem& system)
      : FSSequentialFileOwnerWrapper(std::move(file)), system_(system) {}
  IOStatus Read(size_t size, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) override {
    const IOStatus fault = system_.BeforeRead();
    if (!fault.ok()) return fault;
    return FSSequentialFileOwnerWrapper::Read(size, options, result, scratch,
                                              debug);
  }

 private:
  FaultyFileSystem& system_;
};

}  // namespace

FaultyFileSystem::FaultyFileSystem(uint64_t seed)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), random_(seed) {}

void FaultyFileSystem::FailOneIn(int writes, int reads, Error error) {
  error_ = error;
  fail_writes_ = writes;
  fail_reads_ = reads;
}

IOStatus FaultyFileSystem::Fail(int one_in) {
  if (one_in == 0) return IOStatus::OK();
  {
    const std::scoped_lock lock(mutex_);
    if (random_() % uint64_t(one_in) != 0) return IOStatus::OK();
  }
  ++injected_;
  return error_ == Error::kNoSpace ? IOStatus::NoSpace("injected")
                                   : IOStatus::IOError("injected");
}

IOStatus FaultyFileSystem::BeforeWrite() {
  if (!has_power_) return IOStatus::IOError("no power");
  return Fail(fail_writes_);
}

IOStatus FaultyFileSystem::BeforeRead() { return Fail(fail_reads_); }

void FaultyFileSystem::NoteSize(const std::string& path, uint64_t written) {
  const std::scoped_lock lock(mutex_);
  sizes_[path].written = written;
  if (written == 0) sizes_[path].synced = 0;
}

void FaultyFileSystem::NoteSync(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  Sizes& sizes = sizes_[path];
  sizes.synced = sizes.written;
}

void FaultyFileSystem::DropUnsynced() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [path, sizes] : sizes_) {
    std::error_code error;
    const uint64_t size = fs::file_size(path, error);
    if (error || size <= sizes.synced) continue;
    if (sizes.synced == 0) {
      fs::remove(path, error);
      continue;
    }
    const uint64_t torn = random_() % (size - sizes.synced + 1);
    fs::resize_file(path, sizes.synced + (random_() % 2 == 0 ? 0 : torn),
                    error);
  }
  sizes_.clear();
  has_power_ = true;
}

IOStatus FaultyFileSystem::NewWritableFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  const IOStatus fault = BeforeWrite();
  if (!fault.ok()) return fault;
  const IOStatus status =
      FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (status.ok()) {
    *file = std::make_unique<FaultyWritableFile>(std::move(*file), path, *this);
  }
  return status;
}

IOStatus FaultyFileSystem::NewSequentialFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSSequentialFile>* file, IODebugContext* debug) {
  const IOStatus status =
      FileSystemWrapper::NewSequentialFile(path, options, file, debug);
  if (status.ok())
    *file = std::make_unique<FaultySequentialFile>(std::move(*file), *this);
  return status;
}

IOStatus FaultyFileSystem::NewRandomAccessFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file, IODebugContext* debug) {
  const IOStatus status =
      FileSystemWrapper::NewRandomAccessFile(path, options, file, debug);
  if (status.ok())
    *file = std::make_unique<FaultyRandomAccessFile>(std::move(*file), *this);
  return status;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from,
                                      const std::string& to,
                                      const IOOptions& options,
                                      IODebugContext* debug) {
  const IOStatus fault = BeforeWrite();
  if (!fault.ok()) return fault;
  const IOStatus status =
      FileSystemWrapper::RenameFile(from, to, options, debug);
  const std::scoped_lock lock(mutex_);
  const auto found = sizes_.find(from);
  if (status.ok() && found != sizes_.end()) {
    sizes_[to] = found->second;
    sizes_.erase(found);
  }
  return status;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& path,
                                      const IOOptions& options,
                                      IODebugContext* debug) {
  // Without power the file would still be there afterwards.
  if (!has_power_) return IOStatus::IOError("no power");
  const IOStatus status = FileSystemWrapper::DeleteFile(path, options, debug);
  const std::scoped_lock lock(mutex_);
  if (status.ok()) sizes_.erase(path);
  return status;
}

}  // namespace gist
