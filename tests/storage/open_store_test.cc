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
  RawDatabase(dir.path()).Put("default", "format_version", "3");
  EXPECT_THAT(OpenGistStore(dir.path()),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("format version 3, supported is 2")));
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

}  // namespace
}  // namespace gist
