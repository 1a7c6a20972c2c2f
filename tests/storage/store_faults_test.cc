// A process that is killed, and a disk that refuses to write.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "storage/gist_store.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace {
std::atomic<int> syncs = 0;
std::atomic<int> sync_error = 0;  // an errno; 0: the disk is well
}  // namespace

// Stands before libc's, for librocksdb too.
extern "C" int fdatasync(int file) {
  ++syncs;
  if (sync_error != 0) {
    errno = sync_error;
    return -1;
  }
  return int(syscall(SYS_fdatasync, file));
}

namespace gist {
namespace {

using absl::StatusCode;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;

std::unique_ptr<GistStore> Open(const std::string& folder) {
  auto store = OpenGistStore(folder);
  EXPECT_THAT(store, IsOk());
  return store.ok() ? *std::move(store) : nullptr;
}

absl::Status PutSample(GistStore& store, int gist_tokens = 2) {
  return store.Put(SampleRecord(kSampleText, gist_tokens), kSampleText,
                   SampleGists(gist_tokens));
}

void PutAndDie(const std::string& folder) {
  const auto store = Open(folder);
  if (PutSample(*store).ok()) raise(SIGKILL);
  _exit(1);
}

TEST(StoreFaultsTest, FindsEverythingAfterAKill) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  TempDir dir;  // the child runs this again: the variable tells it our folder
  setenv("GIST_KILL_TEST_FOLDER", dir.path().c_str(), /*overwrite=*/0);
  EXPECT_EXIT(PutAndDie(getenv("GIST_KILL_TEST_FOLDER")),
              testing::KilledBySignal(SIGKILL), "");
  const auto store = Open(dir.path());
  EXPECT_TRUE(store->GetRecord(SampleRecord().context_id).value() ==
              SampleRecord());
  EXPECT_TRUE(store->GetKv(SampleRecord(), SampleGistForm()).value() ==
              SampleGists());
  EXPECT_EQ(store->GetText(SampleRecord().document_id).value(), kSampleText);
}

TEST(StoreFaultsTest, ReachesTheDiskBeforeItReturns) {
  TempDir dir;
  const auto store = Open(dir.path());
  int before = syncs;
  ASSERT_THAT(PutSample(*store), IsOk());
  EXPECT_GT(syncs, before);
  before = syncs;
  ASSERT_THAT(store->Delete(SampleRecord().context_id), IsOk());
  EXPECT_GT(syncs, before);
}

struct Fault {
  const char* name;
  int error;
  StatusCode code;
};
class StoreDiskFaultTest : public testing::TestWithParam<Fault> {};

TEST_P(StoreDiskFaultTest, IsReportedAndLosesNothingThatWasAcknowledged) {
  TempDir dir;
  auto store = Open(dir.path());
  ASSERT_THAT(PutSample(*store, 1), IsOk());
  sync_error = GetParam().error;
  EXPECT_THAT(PutSample(*store, 2),
              StatusIs(GetParam().code, HasSubstr("write")));
  EXPECT_THAT(store->GetKv(SampleRecord(), SampleGistForm(1)), IsOk());
  sync_error = 0;
  store = nullptr;
  store = Open(dir.path());
  EXPECT_THAT(PutSample(*store, 3), IsOk()) << "once the disk is well again";
  for (int gist_tokens : {1, 3}) {
    EXPECT_THAT(store->GetKv(SampleRecord(), SampleGistForm(gist_tokens)),
                IsOk());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Errors, StoreDiskFaultTest,
    testing::Values(Fault{"NoSpace", ENOSPC, StatusCode::kResourceExhausted},
                    Fault{"InputOutput", EIO, StatusCode::kUnavailable}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(StoreFaultsTest, WritesAgainOnceThereIsSpace) {
  TempDir dir;
  const auto store = Open(dir.path());
  sync_error = ENOSPC;
  EXPECT_FALSE(PutSample(*store).ok());
  sync_error = 0;
  const auto give_up = std::chrono::steady_clock::now() + 30s;
  absl::Status put = PutSample(*store);
  while (!put.ok() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(100ms);
    put = PutSample(*store);
  }
  EXPECT_THAT(put, IsOk());
}

}  // namespace
}  // namespace gist
