// The store over file systems that lose power, fail and are full.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "fmt/format.h"
#include "storage/open_with_env.h"
#include "tests/faults/faulty_file_system.h"
#include "tests/faults/rounds.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

constexpr int kDocuments = 24;

std::string TextOf(int document) {
  return fmt::format("document {} ", document) +
         std::string(size_t(document % 5) * 700, 'x');
}
CompressedKv GistsOf(const ContextRecord& record) {
  return SampleGists(record.Newest()->gist_tokens);
}
ContextRecord RecordOf(int document) {
  return SampleRecord(TextOf(document), 2 + document % 3);
}

// A store over a faulty file system, and what is known of its contexts.
class FaultyStore {
 public:
  explicit FaultyStore(uint64_t seed)
      : random_(seed),
        system_(std::make_shared<FaultyFileSystem>(seed)),
        env_(rocksdb::NewCompositeEnv(system_)) {}

  absl::Status Open() {
    auto store = OpenGistStoreWithEnv(dir_ / "data", env_.get());
    if (store.ok()) store_ = *std::move(store);
    return store.status();
  }
  void Close() { store_.reset(); }
  FaultyFileSystem& system() { return *system_; }
  GistStore& store() { return *store_; }

  // A Put or a Delete of a random document. Its status.
  absl::Status Change() {
    const int document = int(random_() % kDocuments);
    const ContextRecord record = RecordOf(document);
    const auto known = present_.find(document);
    const bool puts =
        known == present_.end() || known->second != true || random_() % 2 == 0;
    const absl::Status status =
        puts ? store_->Put(record, TextOf(document), GistsOf(record))
             : store_->Delete(record.context_id);
    if (status.ok()) {
      present_[document] = puts;
      ++acknowledged_;
    } else if (!(puts && known != present_.end() && known->second == true)) {
      present_[document] = std::nullopt;  // may have happened
    }
    return status;
  }
  // Compares with what was acknowledged; settles what was not.
  int CountWrong() {
    int wrong = 0;
    for (int document = 0; document < kDocuments; ++document) {
      const auto known = present_.find(document);
      const bool there = IsWhole(document, &wrong);
      if (known == present_.end()) {
        wrong += there;
      } else if (known->second.has_value()) {
        wrong += *known->second != there;
      }
      present_[document] = there;
    }
    return wrong;
  }
  int acknowledged() const { return acknowledged_; }
  std::mt19937_64& random() { return random_; }

 private:
  // Half of a context is wrong.
  bool IsWhole(int document, int* wrong) {
    const ContextRecord record = RecordOf(document);
    const auto found = store_->GetRecord(record.context_id);
    const auto gists = store_->GetKv(record, *record.Newest());
    const auto text = store_->GetText(record.document_id);
    const bool whole = found.ok() && *found == record && gists.ok() &&
                       *gists == GistsOf(record) && text.ok() &&
                       *text == TextOf(document);
    const bool absent = absl::IsNotFound(found.status()) &&
                        absl::IsNotFound(gists.status()) &&
                        absl::IsNotFound(text.status());
    if (!whole && !absent) {
      ++*wrong;
      ADD_FAILURE() << document << ": " << found.status().ToString() << ", "
                    << gists.status().ToString() << ", "
                    << text.status().ToString();
    }
    return whole;
  }

  std::mt19937_64 random_;
  TempDir dir_;
  std::shared_ptr<FaultyFileSystem> system_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<GistStore> store_;
  std::map<int, std::optional<bool>> present_;  // nothing: may be either
  int acknowledged_ = 0;
};

TEST(FileSystemTest, APowerCutLosesNothingAcknowledged) {
  FaultyStore store(Seed());
  const int rounds = Rounds(20);
  int wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    ASSERT_THAT(store.Open(), IsOk()) << "round " << round;
    wrong += store.CountWrong();
    const int changes = int(store.random()() % 40);
    for (int change = 0; change < changes; ++change) {
      ASSERT_THAT(store.Change(), IsOk());
      if (store.random()() % 16 == 0)
        ASSERT_THAT(store.store().EraseDeleted(), IsOk());
    }
    store.system().CutPower();
    for (int change = 0; change < 3; ++change)
      EXPECT_FALSE(store.Change().ok());
    store.Close();
    store.system().DropUnsynced();
  }
  ASSERT_THAT(store.Open(), IsOk());
  wrong += store.CountWrong();
  EXPECT_EQ(wrong, 0);
  PrintFigure(fmt::format(
      "power: {} cuts, {} acknowledged writes and deletions, {} wrong", rounds,
      store.acknowledged(), wrong));
}

// The store under test would not notice a file system that loses nothing.
TEST(FileSystemTest, APowerCutDoesLoseWhatWasNotSynchronised) {
  FaultyStore store(1);
  ASSERT_THAT(store.Open(), IsOk());
  const ContextRecord record = RecordOf(0);
  ASSERT_THAT(store.store().Put(record, TextOf(0), GistsOf(record)), IsOk());
  const ContextUse use{record.context_id, 42};
  ASSERT_THAT(store.store().WriteUses({&use, 1}), IsOk());
  EXPECT_EQ(store.store().Find(record.context_id)->used_unix_ms, 42);
  store.system().CutPower();
  store.Close();
  store.system().DropUnsynced();
  ASSERT_THAT(store.Open(), IsOk());
  EXPECT_EQ(store.store().Find(record.context_id)->used_unix_ms,
            record.created_unix_ms);
}

struct Fault {
  const char* name;
  FaultyFileSystem::Error error;
  int writes, reads;  // one in so many fails
};
class FileSystemFaultTest : public testing::TestWithParam<Fault> {};

TEST_P(FileSystemFaultTest, ErrorsAreClearAndNothingAcknowledgedIsLost) {
  const Fault& fault = GetParam();
  FaultyStore store(Seed());
  const int rounds = Rounds(4);
  int wrong = 0, refused = 0, reads = 0, failed_reads = 0;
  for (int round = 0; round < rounds; ++round) {
    ASSERT_THAT(store.Open(), IsOk());
    wrong += store.CountWrong();
    store.system().FailOneIn(fault.writes, fault.reads, fault.error);
    for (int change = 0; change < 60; ++change) {
      const absl::Status status = store.Change();
      if (!status.ok()) {
        ++refused;
        EXPECT_THAT(status,
                    AnyOf(StatusIs(StatusCode::kUnavailable,
                                   HasSubstr("see to the disk")),
                          StatusIs(StatusCode::kResourceExhausted,
                                   HasSubstr("free some")),
                          StatusIs(StatusCode::kNotFound, HasSubstr(""))));
      }
      // Reads go on, or say that the disk fails; never a wrong value.
      const ContextRecord record = RecordOf(change % kDocuments);
      const auto gists = store.store().GetKv(record, *record.Newest());
      ++reads;
      if (gists.ok()) {
        EXPECT_TRUE(*gists == GistsOf(record));
      } else if (!absl::IsNotFound(gists.status())) {
        ++failed_reads;
        EXPECT_TRUE(absl::IsUnavailable(gists.status())) << gists.status();
      }
    }
    store.system().FailOneIn(0, 0, fault.error);
    store.Close();
  }
  ASSERT_THAT(store.Open(), IsOk());
  wrong += store.CountWrong();
  EXPECT_EQ(wrong, 0);
  if (fault.reads == 0) EXPECT_EQ(failed_reads, 0) << "reads go on";
  PrintFigure(fmt::format(
      "{}: {} rounds, {} faults, {} acknowledged, {} refused, {} of {} reads "
      "failed, {} wrong",
      fault.name, rounds, store.system().injected(), store.acknowledged(),
      refused, failed_reads, reads, wrong));
}

using Error = FaultyFileSystem::Error;
INSTANTIATE_TEST_SUITE_P(
    Faults, FileSystemFaultTest,
    testing::Values(Fault{"WriteErrorsOneIn32", Error::kInputOutput, 32, 0},
                    Fault{"WriteErrorsOneIn128", Error::kInputOutput, 128, 0},
                    Fault{"ReadErrorsOneIn4", Error::kInputOutput, 0, 4},
                    Fault{"NoSpaceOneIn32", Error::kNoSpace, 32, 0}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(FileSystemTest, WritesGoOnSoonAfterThereIsSpace) {
  FaultyStore store(Seed());
  ASSERT_THAT(store.Open(), IsOk());
  store.system().FailOneIn(1, 0, Error::kNoSpace);
  EXPECT_THAT(store.Change(),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("free some")));
  store.system().FailOneIn(0, 0, Error::kNoSpace);
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  };
  bool goes_on = store.Change().ok();
  while (!goes_on && seconds() < 10) {  // RocksDB looks every 5 s
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    goes_on = store.Change().ok();
  }
  PrintFigure(fmt::format("space: writes {} {:.1f} s after there is space",
                          goes_on ? "go on" : "want a restart", seconds()));
  if (goes_on) return;
  // The fault met RocksDB's recovery itself, which then gives up.
  store.Close();
  ASSERT_THAT(store.Open(), IsOk());
  EXPECT_THAT(store.Change(), IsOk());
}

// A real file system of 16 MiB, where this may mount one.
TEST(FileSystemTest, AFullDiskRefusesWritesAndAnswersReads) {
  TempDir dir;
  if (mount("gist", dir.path().c_str(), "tmpfs", 0, "size=16m") != 0)
    GTEST_SKIP() << "mounting a tmpfs needs root";
  auto store = OpenGistStore(dir / "data").value();
  std::vector<ContextRecord> kept;
  absl::Status put;
  for (int i = 0; put.ok() && i < 1000; ++i) {
    std::string text(1 << 20, ' ');
    std::mt19937_64 random(uint64_t(i) + 1);
    for (char& c : text) c = char('a' + random() % 26);
    const ContextRecord record = SampleRecord(text);
    put = store->Put(record, text, SampleGists());
    if (put.ok()) kept.push_back(record);
  }
  EXPECT_THAT(put,
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("free some")));
  EXPECT_GT(kept.size(), 3u);
  for (const ContextRecord& record : kept) {
    EXPECT_THAT(store->GetKv(record, *record.Newest()), IsOk());
    EXPECT_THAT(store->GetText(record.document_id), IsOk());
  }
  store.reset();
  umount(dir.path().c_str());
}

}  // namespace
}  // namespace gist
