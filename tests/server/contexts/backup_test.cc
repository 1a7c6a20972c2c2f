// Backups made while the service writes, and what becomes of them.
#include "server/contexts/backup.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "server/training/adapter_store.h"
#include "tests/server/harness.h"
#include "tests/support/read_file.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BackupTest : public PipelineTest {
 protected:
  void SetUp() override { Start(); }

  BackupFolder Backups(int max_backups = 3) {
    return BackupFolder(*server().store, {.folder = out_ / "backups",
                                          .data_folder = folder(),
                                          .max_backups = max_backups});
  }
  std::string PathOf(const Backup& backup) {
    return out_ / ("backups/" + backup.name);
  }

  TempDir out_;
};

void WriteFile(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << bytes;
}

TEST_F(BackupTest, MadeUnderLoadItHoldsAllThatWasAcknowledgedBefore) {
  std::mutex mutex;
  std::map<std::string, std::string> acknowledged;  // passkeys, by id
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string key = fmt::format("{}{:05}", t, i % 100000);
        const std::string id = server().IdOf(DocumentWith(key));
        const std::scoped_lock lock(mutex);
        acknowledged[id] = key;
      }
    });
  }
  const auto count = [&] {
    const std::scoped_lock lock(mutex);
    return acknowledged.size();
  };
  BackupFolder backups = Backups();
  for (int round = 0; round < 3; ++round) {
    const size_t wanted = count() + 5;
    while (count() < wanted) std::this_thread::yield();
    std::map<std::string, std::string> before;
    {
      const std::scoped_lock lock(mutex);
      before = acknowledged;
    }
    const auto backup = backups.Create();
    ASSERT_THAT(backup, IsOk());
    const std::string to = out_ / fmt::format("restored{}", round);
    const auto restored = RestoreBackup(PathOf(*backup), to);
    ASSERT_THAT(restored, IsOk());
    EXPECT_GE(*restored, int64_t(before.size()));
    Harness elsewhere(to, {});
    for (const auto& [id, key] : before) {
      for (AskMode mode : {AskMode::kGist, AskMode::kFull}) {
        EXPECT_EQ(
            elsewhere.Ask({.context_ids = {id}, .question = "Q", .mode = mode})
                .value(),
            AnswerTo(key, "Q"));
      }
    }
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

TEST_F(BackupTest, BringsPinsAdaptersDatasetsAndTrainingsAlong) {
  const auto kept = server().pipeline.Compress(
      {.text = "one", .retention = {.pinned = true}}, Caller());
  WriteFile(folder() + "/adapters/a/a@1/adapter_config.json", "{}");
  WriteFile(folder() + "/adapters/a/a@1.json", "{\"name\": 1}");
  WriteFile(folder() + "/adapters/b.partial/half", "x");
  WriteFile(folder() + "/datasets/ds_1.jsonl", "lines");
  WriteFile(folder() + "/training/train_1.json", "{\"state\": \"running\"}");
  WriteFile(folder() + "/training/train_1/tiny/checkpoint.safetensors", "c");
  const auto backup = Backups().Create();
  ASSERT_THAT(backup, IsOk());
  const std::string to = out_ / "restored";
  EXPECT_EQ(RestoreBackup(PathOf(*backup), to).value(), 1);
  EXPECT_TRUE(fs::exists(to + "/adapters/a/a@1/adapter_config.json"));
  EXPECT_TRUE(fs::exists(to + "/adapters/a/a@1.json"));
  EXPECT_TRUE(fs::exists(to + "/datasets/ds_1.jsonl"));
  EXPECT_TRUE(fs::exists(to + "/training/train_1.json"));
  EXPECT_TRUE(fs::exists(to + "/training/train_1/tiny/checkpoint.safetensors"));
  EXPECT_FALSE(fs::exists(to + "/adapters/b.partial"));
  Harness elsewhere(to, {});
  EXPECT_TRUE(elsewhere.pipeline.Get(kept->context.record.context_id)
                  ->retention.pinned);
}

TEST_F(BackupTest, TheNewestAreKept) {
  BackupFolder backups = Backups(/*max_backups=*/2);
  EXPECT_THAT(backups.List().value(), IsEmpty());
  for (int i = 0; i < 4; ++i) ASSERT_THAT(backups.Create(), IsOk());
  std::vector<std::string> names;
  const auto listed = backups.List().value();
  for (const Backup& backup : listed) {
    names.push_back(backup.name);
    EXPECT_GT(backup.bytes, 0);
    EXPECT_GT(backup.files, 3);
  }
  EXPECT_THAT(names, ElementsAre("backup-000004", "backup-000003"));
  EXPECT_EQ(std::distance(fs::directory_iterator(out_ / "backups"), {}), 2);
}

TEST_F(BackupTest, OneThatWasCutShortIsNone) {
  WriteFile(out_ / "backups/backup-000001.partial/CURRENT", "x");
  WriteFile(out_ / "backups/backup-000001/CURRENT", "x");  // half deleted
  BackupFolder backups = Backups();
  EXPECT_THAT(backups.List().value(), IsEmpty());
  const auto backup = backups.Create();
  ASSERT_THAT(backup, IsOk());
  EXPECT_EQ(backup->name, "backup-000002");
  EXPECT_THAT(RestoreBackup(out_ / "backups/backup-000001", out_ / "to"),
              StatusIs(StatusCode::kNotFound, HasSubstr("is no backup")));
}

TEST_F(BackupTest, EveryDamagedFileIsNamedAndNothingIsLeftBehind) {
  server().IdOf("one two three");
  const auto backup = Backups().Create();
  ASSERT_THAT(backup, IsOk());
  const std::string from = PathOf(*backup), to = out_ / "to";
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string path = entry.path().string();
    std::string bytes = ReadFile(path);
    if (bytes.empty()) continue;
    const std::string whole = bytes;
    bytes[bytes.size() / 2] ^= 4;
    fs::remove(path);  // it may be linked to the store's own
    WriteFile(path, bytes);
    const auto restored = RestoreBackup(from, to);
    EXPECT_THAT(restored, StatusIs(StatusCode::kDataLoss,
                                   HasSubstr(entry.path().filename().string())))
        << path;
    EXPECT_TRUE(fs::is_empty(to));
    WriteFile(path, whole);
  }
  EXPECT_THAT(RestoreBackup(from, to), IsOk());
}

TEST_F(BackupTest, RestoresIntoNothingButAnEmptyFolder) {
  const auto backup = Backups().Create();
  ASSERT_THAT(backup, IsOk());
  WriteFile(out_ / "full/thesis.txt", "x");
  EXPECT_THAT(
      RestoreBackup(PathOf(*backup), out_ / "full"),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("thesis.txt")));
  fs::create_directories(out_ / "volume/lost+found");
  EXPECT_THAT(RestoreBackup(PathOf(*backup), out_ / "volume"), IsOk());
}

TEST_F(BackupTest, ANewerFormatIsRefused) {
  const auto backup = Backups().Create();
  ASSERT_THAT(backup, IsOk());
  WriteFile(PathOf(*backup) + "/backup.json",
            R"({"format": 2, "created_unix_ms": 0, "files": []})");
  EXPECT_THAT(
      RestoreBackup(PathOf(*backup), out_ / "to"),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("supported is 1")));
  WriteFile(PathOf(*backup) + "/backup.json",
            R"({"format": 1, "created_unix_ms": 0, "files":
                [{"path": "../x", "bytes": 1, "sha256": ""}]})");
  EXPECT_THAT(RestoreBackup(PathOf(*backup), out_ / "to"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("../x")));
}

}  // namespace
}  // namespace gist
