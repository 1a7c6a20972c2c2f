// What OpenGistStore makes of the folders that it may be given.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "storage/gist_store.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path) << text;
}

void MakeStore(const std::string& folder) {
  const auto store = OpenGistStore(folder);
  ASSERT_THAT(store, IsOk());
  ASSERT_THAT((*store)->Put(SampleRecord(), kSampleText, SampleGists()),
              IsOk());
}

// Holds the lock that RocksDB takes, in another process, for as long as it
// lives.
class LockingProcess {
 public:
  explicit LockingProcess(const std::string& folder) {
    const std::string path = folder + "/LOCK";
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {  // system calls alone: other threads did not come along
      struct flock lock = {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      const int file = open(path.c_str(), O_RDWR);
      const char ok = fcntl(file, F_SETLK, &lock) == 0;
      if (write(ready[1], &ok, 1) == 1) pause();
      _exit(1);
    }
    char ok = 0;
    EXPECT_EQ(read(ready[0], &ok, 1), 1);
    EXPECT_TRUE(ok);
    close(ready[0]);
    close(ready[1]);
  }
  ~LockingProcess() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

TEST(OpenStoreTest, CreatesAFolderWithItsParents) {
  TempDir dir;
  MakeStore(dir / "a/b/c");
  const auto store = OpenGistStore(dir / "a/b/c");
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->GetRecord(SampleRecord().context_id), IsOk());
}

TEST(OpenStoreTest, SaysThatAnotherProcessUsesTheFolder) {
  TempDir dir;
  MakeStore(dir.path());
  const auto in_use =
      StatusIs(StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(dir.path() + " is in use by another process"),
                     HasSubstr("stop it or choose another --data-dir")));
  {
    const LockingProcess other(dir.path());
    EXPECT_THAT(OpenGistStore(dir.path()), in_use);
  }
  const auto store = OpenGistStore(dir.path());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(OpenGistStore(dir.path()), in_use) << "twice in one process";
}

TEST(OpenStoreTest, SaysThatAFolderCannotBeWritten) {
  const auto unusable = [](const std::string& folder) {
    return StatusIs(StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("data folder " + folder),
                          HasSubstr("choose another --data-dir")));
  };
  TempDir dir;
  // None of these gives way to root, whom permissions do not stop.
  WriteFile(dir / "file", "x");
  EXPECT_THAT(OpenGistStore(dir / "file"), unusable(dir / "file"));
  EXPECT_THAT(OpenGistStore(dir / "file/sub"), unusable(dir / "file/sub"));
  EXPECT_THAT(OpenGistStore("/proc/gistd"), unusable("/proc/gistd"));
  fs::create_directories(dir / "data/LOCK");  // where RocksDB wants a file
  EXPECT_THAT(OpenGistStore(dir / "data"), unusable(dir / "data"));
  EXPECT_THAT(OpenGistStore(""), StatusIs(StatusCode::kFailedPrecondition,
                                          HasSubstr("--data-dir")));
}

TEST(OpenStoreTest, LeavesAFolderWithOtherFilesAlone) {
  TempDir dir;
  WriteFile(dir / "thesis.txt", "x");
  EXPECT_THAT(OpenGistStore(dir.path()),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("\"thesis.txt\" and no database")));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(OpenStoreTest, RefusesADatabaseThatLostItsCurrentFile) {
  TempDir dir;
  MakeStore(dir.path());
  fs::remove(dir / "CURRENT");
  EXPECT_THAT(
      OpenGistStore(dir.path()),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("and no database")));
}

TEST(OpenStoreTest, TakesAnEmptyVolume) {
  TempDir dir;
  fs::create_directory(dir / "lost+found");
  MakeStore(dir.path());
}

TEST(OpenStoreTest, FinishesACreationThatWasCutShort) {
  TempDir dir;
  for (const char* name : {"LOCK", "LOG", "IDENTITY", "000001.dbtmp"})
    WriteFile(dir / name, "");
  MakeStore(dir.path());

  TempDir later;
  { RawDatabase raw(later.path()); }  // RocksDB's part done, ours not begun
  MakeStore(later.path());
}

TEST(OpenStoreTest, LeavesTheDatabasesOfOthersAsTheyAre) {
  TempDir keys, families;
  {
    RawDatabase raw(keys.path());
    raw.Put("default", "key", "value");
  }
  EXPECT_THAT(OpenGistStore(keys.path()),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("no format_version")));
  EXPECT_THAT(RawDatabase(keys.path()).Keys(), ElementsAre("default: key"));
  std::vector<std::string> names;
  rocksdb::DB::ListColumnFamilies({}, keys.path(), &names);
  EXPECT_THAT(names, ElementsAre("default"));

  { RawDatabase(families.path()).AddFamily("accounts"); }
  EXPECT_THAT(OpenGistStore(families.path()),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("column family \"accounts\"")));
}

TEST(OpenStoreTest, NamesANewerFormatAndOneThatIsNone) {
  TempDir dir;
  MakeStore(dir.path());
  RawDatabase(dir.path()).Put("default", "format_version", "5");
  EXPECT_THAT(OpenGistStore(dir.path()),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("format version 5, supported is 4")));
  RawDatabase(dir.path()).Put("default", "format_version", "two");
  EXPECT_THAT(OpenGistStore(dir.path()),
              StatusIs(StatusCode::kDataLoss, HasSubstr("\"two\"")));
}

TEST(OpenStoreTest, SaysThatADatabaseIsDamaged) {
  TempDir dir;
  MakeStore(dir.path());
  WriteFile(dir / "CURRENT", "garbage");
  EXPECT_THAT(OpenGistStore(dir.path()),
              StatusIs(StatusCode::kDataLoss, HasSubstr(dir.path())));
}

// The one log of a store with three contexts, in which each write is a record.
class LogTailTest : public testing::Test {
 protected:
  void SetUp() override {
    {
      const auto store = OpenGistStore(dir_ / "data");
      ASSERT_THAT(store, IsOk());
      for (const char* text : kTexts)
        ASSERT_THAT((*store)->Put(SampleRecord(text), text, SampleGists()),
                    IsOk());
    }
    for (const auto& entry : fs::directory_iterator(dir_ / "data"))
      if (entry.path().extension() == ".log") log_ = entry.path();
    bytes_ = ReadFile(log_);
    for (size_t at = 0; at + 7 <= bytes_.size();) {
      starts_.push_back(at);
      at += 7 + size_t(uint8_t(bytes_[at + 4])) +
            256 * size_t(uint8_t(bytes_[at + 5]));
    }
    ASSERT_GE(starts_.size(), 3u);
    ASSERT_LT(bytes_.size(), 32768u) << "one block";
  }
  // How many of the contexts are there when the log holds `bytes`.
  absl::StatusOr<int> Count(const std::string& bytes) {
    WriteFile(log_, bytes);
    const auto store = OpenGistStore(dir_ / "data");
    if (!store.ok()) return store.status();
    int count = 0;
    for (const char* text : kTexts)
      count += (*store)->GetRecord(SampleRecord(text).context_id).ok();
    return count;
  }

  static constexpr const char* kTexts[] = {"one", "two", "three"};
  TempDir dir_;
  fs::path log_;
  std::string bytes_;
  std::vector<size_t> starts_;  // of the log's records
};

TEST_F(LogTailTest, ARecordThatAPowerCutLeftShortIsDropped) {
  for (size_t size = starts_.back() + 1; size < bytes_.size(); size += 97) {
    const TempDir before;
    fs::copy(dir_ / "data", before / "data", fs::copy_options::recursive);
    EXPECT_EQ(Count(bytes_.substr(0, size)).value(), 2) << size;
    fs::remove_all(dir_ / "data");
    fs::copy(before / "data", dir_ / "data", fs::copy_options::recursive);
  }
}

TEST_F(LogTailTest, ALengthThatIsWrongLosesNothingInSilence) {
  for (size_t record = starts_.size() - 3; record < starts_.size(); ++record) {
    for (int bit = 0; bit < 16; ++bit) {
      std::string damaged = bytes_;
      damaged[starts_[record] + 4 + size_t(bit / 8)] ^= char(1 << bit % 8);
      EXPECT_THAT(Count(damaged),
                  StatusIs(StatusCode::kDataLoss, HasSubstr(dir_ / "data")))
          << "record " << record << ", bit " << bit;
    }
  }
}

}  // namespace
}  // namespace gist
