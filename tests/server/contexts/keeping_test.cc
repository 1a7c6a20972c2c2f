// Expiry, pins, quotas and eviction, as the pipeline's callers meet them.
#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "server/contexts/maintenance_thread.h"
#include "server/support/process_memory.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;

class KeepingTest : public PipelineTest {
 protected:
  void SetUp() override { Start(); }

  FakeClock& clock() { return server().clock; }
  Pipeline& pipeline() { return server().pipeline; }

  std::string Keep(const std::string& text, const RetentionPolicy& wish) {
    const auto result =
        pipeline().Compress({.text = text, .retention = wish}, Caller());
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context.record.context_id : "";
  }
  absl::Status AskOf(const std::string& id, AskMode mode = AskMode::kGist) {
    return server()
        .Ask({.context_ids = {id}, .question = "What?", .mode = mode})
        .status();
  }
  std::vector<std::string> Listed() {
    std::vector<std::string> ids;
    const ListResult page = pipeline().List(0, "").value();
    for (const ContextInfo& info : page.contexts)
      ids.push_back(info.record.context_id);
    return ids;
  }
  std::vector<std::string> Removed() {
    std::vector<std::string> ids;
    for (const RemovedContext& removed : server().removed)
      ids.push_back(removed.context_id);
    return ids;
  }
  void StartWith(RetentionLimits limits) {
    HarnessOptions options;
    options.keeper = limits;
    Start(std::move(options));
  }
};

TEST_F(KeepingTest, AnExpiredContextIsNotFoundAtOnce) {
  const std::string id = Keep(DocumentWith("ABC123"), {.ttl_seconds = 60});
  const auto info = pipeline().Get(id);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->retention.expire_unix_ms, clock().UnixMillis() + kMinute);
  clock().Advance(kMinute - 1);
  EXPECT_THAT(AskOf(id), IsOk());
  clock().Advance(1);
  const auto gone = StatusIs(StatusCode::kNotFound, HasSubstr(id));
  EXPECT_THAT(AskOf(id), gone);
  EXPECT_THAT(AskOf(id, AskMode::kFull), gone);
  EXPECT_THAT(AskOf(id, AskMode::kRag), gone);
  EXPECT_THAT(pipeline().Get(id), gone);
  EXPECT_THAT(pipeline().Export(id, false), gone);
  EXPECT_THAT(pipeline().Update(id, {.pinned = true}), gone);
  EXPECT_THAT(pipeline().Delete(id), gone);
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_F(KeepingTest, TheSweepDeletesWhatExpiredAndNothingElse) {
  const std::string gone = Keep("one", {.ttl_seconds = 60, .pinned = true});
  const std::string later = Keep("two", {.ttl_seconds = 3600});
  const std::string stays = Keep("three", {});
  clock().Advance(kMinute);
  ASSERT_THAT(server().store->Sweep(), IsOk());
  EXPECT_EQ(server().files->List(10, "")->records.size(), 2u);
  EXPECT_THAT(server().files->GetRecord(gone),
              StatusIs(StatusCode::kNotFound, _));
  ASSERT_EQ(server().removed.size(), 1u);
  EXPECT_EQ(server().removed[0].why, Removal::kExpired);
  EXPECT_TRUE(server().removed[0].document_gone);
  EXPECT_THAT(Listed(), UnorderedElementsAre(later, stays));
  EXPECT_EQ(server().store->usage().contexts, 2);
}

TEST_F(KeepingTest, ExpiryHoldsAcrossARestart) {
  const std::string id = Keep("one", {.ttl_seconds = 60, .pinned = true});
  Start();  // its clock stands where the first one began
  EXPECT_TRUE(pipeline().Get(id)->retention.pinned);
  clock().Advance(kMinute);
  EXPECT_THAT(AskOf(id), StatusIs(StatusCode::kNotFound, _));
}

TEST_F(KeepingTest, CompressingAnExpiredDocumentComputesItAnew) {
  const std::string id = Keep("one", {.ttl_seconds = 60});
  clock().Advance(kMinute);
  const auto again = pipeline().Compress({"one", 0, {}}, Caller());
  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->cached);
  EXPECT_TRUE(again->is_new);
  EXPECT_EQ(again->context.retention, Retention());
  EXPECT_EQ(counts().gist_passes, 2);
  EXPECT_THAT(Removed(), ElementsAre(id));
  EXPECT_THAT(AskOf(id), IsOk());
}

TEST_F(KeepingTest, CompressingAgainChangesOnlyWhatIsAskedFor) {
  const std::string id = Keep("one", {.ttl_seconds = 60, .pinned = true});
  const Retention first = pipeline().Get(id)->retention;
  clock().Advance(kSecond);
  Keep("one", {});
  EXPECT_EQ(pipeline().Get(id)->retention, first);
  Keep("one", {.ttl_seconds = 120});
  EXPECT_EQ(pipeline().Get(id)->retention.expire_unix_ms,
            clock().UnixMillis() + 2 * kMinute);
  EXPECT_TRUE(pipeline().Get(id)->retention.pinned);
  EXPECT_EQ(counts().gist_passes, 1);
}

TEST_F(KeepingTest, UpdateChangesTimeAndPin) {
  const std::string id = Keep("one", {.ttl_seconds = 60});
  const int64_t later = clock().UnixMillis() + kHour;
  auto info = pipeline().Update(id, {.expire_unix_ms = later});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->retention.expire_unix_ms, later);
  info = pipeline().Update(id, {.expire_unix_ms = 0, .pinned = true});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->retention, (Retention{0, true}));
  clock().Advance(100 * kHour);
  EXPECT_THAT(AskOf(id), IsOk());
  EXPECT_THAT(pipeline().Update("ctx_" + std::string(32, '0'), {}),
              StatusIs(StatusCode::kNotFound, _));
}

TEST_F(KeepingTest, TimesThatMakeNoSenseAreRefusedBeforeAnythingIsComputed) {
  const int64_t now = clock().UnixMillis();
  for (const RetentionPolicy& wish :
       {RetentionPolicy{.ttl_seconds = 0}, RetentionPolicy{.ttl_seconds = -1},
        RetentionPolicy{.ttl_seconds = 1e12},
        RetentionPolicy{.ttl_seconds = std::nan("")},
        RetentionPolicy{.expire_unix_ms = now},
        RetentionPolicy{.expire_unix_ms = -5},
        RetentionPolicy{.expire_unix_ms = INT64_MAX}}) {
    EXPECT_THAT(
        pipeline().Compress({.text = "one", .retention = wish}, Caller()),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("want")));
  }
  EXPECT_EQ(counts().prefills, 0);
}

TEST_F(KeepingTest, TheLeastRecentlyUsedGivesWay) {
  StartWith({.max_contexts = 3});
  const std::string a = Keep("one", {});
  clock().Advance(kMinute);
  const std::string b = Keep("two", {});
  clock().Advance(kMinute);
  const std::string c = Keep("three", {});
  clock().Advance(kMinute);
  EXPECT_THAT(AskOf(a), IsOk());  // now b is the one not used for longest
  clock().Advance(kMinute);
  const std::string d = Keep("four", {});
  EXPECT_THAT(Listed(), UnorderedElementsAre(a, c, d));
  ASSERT_EQ(server().removed.size(), 1u);
  EXPECT_EQ(server().removed[0].why, Removal::kEvicted);
  EXPECT_THAT(AskOf(b), StatusIs(StatusCode::kNotFound, _));
}

TEST_F(KeepingTest, OfThoseUsedInTheSameMinuteTheLargerGoes) {
  StartWith({.max_contexts = 2});
  Keep("one two three", {});
  const std::string large = Keep(DocumentWith("ABC123", 400), {});
  Keep("four", {});
  EXPECT_THAT(Removed(), ElementsAre(large));
}

TEST_F(KeepingTest, PinnedOnesStayAndTheStoreSaysSo) {
  StartWith({.max_contexts = 2});
  const std::string a = Keep("one", {.pinned = true});
  clock().Advance(kHour);
  const std::string b = Keep("two", {});
  const std::string c = Keep("three", {.pinned = true});
  EXPECT_THAT(Listed(), UnorderedElementsAre(a, c));
  const int passes = counts().gist_passes;
  EXPECT_THAT(
      pipeline().Compress({"four", 0, {}}, Caller()),
      StatusIs(StatusCode::kResourceExhausted,
               AllOf(HasSubstr("pinned"), HasSubstr("--max-contexts"))));
  EXPECT_EQ(counts().gist_passes, passes) << "refused before it is computed";
  EXPECT_THAT(Listed(), UnorderedElementsAre(a, c));
  ASSERT_THAT(pipeline().Update(a, {.pinned = false}), IsOk());
  EXPECT_THAT(pipeline().Compress({"four", 0, {}}, Caller()), IsOk());
  EXPECT_THAT(Removed(), ElementsAre(b, a));
}

TEST_F(KeepingTest, BytesAreBoundedWithTextsAndChunkIndexes) {
  const std::string first = Keep(DocumentWith("ABC123"), {});
  EXPECT_THAT(AskOf(first, AskMode::kRag), IsOk());
  const int64_t one = server().store->usage().bytes;
  const auto stored = server().store->Find(first);
  EXPECT_GT(stored->index_bytes, 0);
  EXPECT_EQ(one, stored->kv_bytes.begin()->second + stored->text_bytes +
                     stored->index_bytes);
  ASSERT_THAT(pipeline().Delete(first), IsOk());
  EXPECT_EQ(server().store->usage().bytes, 0);

  StartWith({.max_store_bytes = 2 * one});
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(Keep(DocumentWith("ABC12" + std::to_string(i)), {}));
    clock().Advance(kMinute);
    EXPECT_THAT(AskOf(ids.back(), AskMode::kRag), IsOk());
    clock().Advance(kMinute);
    EXPECT_LE(server().store->usage().bytes, 2 * one);
  }
  EXPECT_THAT(Listed(), UnorderedElementsAre(ids[4], ids[5]));
  const int64_t bytes = server().store->usage().bytes;
  StartWith({.max_store_bytes = 2 * one});
  EXPECT_EQ(server().store->usage().bytes, bytes) << "counted anew";
}

TEST_F(KeepingTest, WhatNeverFitsCostsNobodyTheirContext) {
  StartWith({.max_store_bytes = 2000});
  const std::string small = Keep("one", {});
  EXPECT_THAT(
      pipeline().Compress({DocumentWith("ABC123", 900), 0, {}}, Caller()),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("--max-store-bytes")));
  EXPECT_THAT(Listed(), ElementsAre(small));
}

TEST_F(KeepingTest, ATextSharedByContextsIsCountedOnce) {
  Keep("one two three", {});
  const int64_t one = server().store->usage().bytes;
  const auto second = server().Compress("one two three", 2);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(server().store->usage().bytes,
            one + second->context.representation.kv_bytes);
}

TEST_F(KeepingTest, UsesAreWrittenBySweepsAlone) {
  StartWith({.max_contexts = 2});
  const std::string a = Keep("one", {});
  clock().Advance(kHour);
  const std::string b = Keep("two", {});
  clock().Advance(kHour);
  EXPECT_THAT(AskOf(a), IsOk());
  EXPECT_EQ(pipeline().Get(a)->used_unix_ms, clock().UnixMillis());
  const auto on_disk = [&] { return server().files->Find(a)->used_unix_ms; };
  EXPECT_LT(on_disk(), clock().UnixMillis());
  ASSERT_THAT(server().store->Sweep(), IsOk());
  EXPECT_EQ(on_disk(), clock().UnixMillis());
  StartWith({.max_contexts = 2});
  clock().Advance(3 * kHour);
  Keep("three", {});
  EXPECT_THAT(Removed(), ElementsAre(b));
}

TEST_F(KeepingTest, NoCopyInMemoryOutlivesTheDocument) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  Start(std::move(options));
  const std::string text = DocumentWith("ABC123");
  const std::string id = Keep(text, {.ttl_seconds = 60});
  EXPECT_THAT(AskOf(id, AskMode::kFull), IsOk());
  EXPECT_GT(counts().live_sequences, 0) << "kept for the next question";
  clock().Advance(kMinute);
  ASSERT_THAT(server().store->Sweep(), IsOk());
  EXPECT_EQ(counts().live_sequences, 0);
}

TEST_F(KeepingTest, AnAnswerInFlightPutsNoDeletedDocumentBack) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  std::string id;
  bool deleted = false;
  options.engine.before_call = [&](std::string_view call) {
    if (call == "Decode" && !std::exchange(deleted, true))
      EXPECT_THAT(pipeline().Delete(id), IsOk());
    return absl::OkStatus();
  };
  Start(std::move(options));
  id = Keep(DocumentWith("ABC123"), {});
  EXPECT_THAT(AskOf(id, AskMode::kFull), IsOk());
  EXPECT_TRUE(deleted);
  EXPECT_EQ(counts().live_sequences, 0);
}

TEST_F(KeepingTest, TheSweeperSweepsAndErasesByItself) {
  const std::string text = "text_Jq82hsYw7Lx0vPz3";
  Keep(text, {.ttl_seconds = 60});
  clock().Advance(kMinute);
  {
    const MaintenanceThread sweeper(
        *server().store, {.sweep_every = std::chrono::milliseconds(5),
                          .erase_every = std::chrono::milliseconds(5)});
    for (int i = 0; i < 400 && server().store->usage().contexts > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  EXPECT_EQ(server().store->usage().contexts, 0);
  EXPECT_EQ(server().store->EraseDeleted().value(), 0) << "it was done";
}

TEST_F(KeepingTest, TheSweeperGivesFreedMemoryBack) {
  if (!HeapBytes()) GTEST_SKIP() << "another malloc is in its place";
  constexpr int kBlocks = 20'000, kBytes = 4000;
  std::vector<std::vector<char>> blocks(kBlocks, std::vector<char>(kBytes));
  const int64_t full = ResidentBytes().value();
  for (size_t i = 0; i < blocks.size(); ++i) {  // one in 16 stays
    if (i % 16 != 0) blocks[i] = std::vector<char>();
  }
  const int64_t freed = ResidentBytes().value();
  EXPECT_GT(freed, full - kBlocks * kBytes / 8) << "malloc gave it back itself";
  const MaintenanceThread sweeper(
      *server().store, {.sweep_every = std::chrono::milliseconds(5),
                        .return_memory_every = std::chrono::milliseconds(5)});
  const int64_t wanted = full - kBlocks * kBytes / 2;
  for (int i = 0; i < 400 && ResidentBytes().value() > wanted; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LE(ResidentBytes().value(), wanted);
}

TEST_F(KeepingTest, ManyAtOnceStayWithinTheBounds) {
  StartWith({.max_contexts = 5});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const auto result = server().Compress(fmt::format("text {} {}", t, i));
        EXPECT_THAT(result.status(),
                    testing::AnyOf(IsOk(), StatusIs(StatusCode::kNotFound, _)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server().store->usage().contexts, 5);
  EXPECT_EQ(server().files->List(100, "")->records.size(), 5u);
}

}  // namespace
}  // namespace gist
