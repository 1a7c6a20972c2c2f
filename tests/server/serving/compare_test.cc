// One question in several modes: what each says, and whether they were alone.
#include "server/serving/compare.h"

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::HasSubstr;

constexpr AskMode kAll[] = {AskMode::kGist, AskMode::kFull, AskMode::kRag,
                            AskMode::kHybrid};

class CompareTest : public PipelineTest {
 protected:
  absl::StatusOr<Comparison> Compare(const std::string& id,
                                     std::span<const AskMode> modes = kAll) {
    return CompareModes(server().pipeline,
                        {.context_ids = {id}, .question = "harbour?"}, modes,
                        Caller());
  }
};

TEST_F(CompareTest, AnswersInEachModeInOrder) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  const auto comparison = Compare(id);
  ASSERT_THAT(comparison, IsOk());
  ASSERT_EQ(comparison->answers.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const ModeAnswer& answer = comparison->answers[i];
    EXPECT_EQ(answer.mode, kAll[i]);
    ASSERT_THAT(answer.status, IsOk());
    EXPECT_EQ(answer.result.mode_used, kAll[i]);
    EXPECT_THAT(answer.answer, HasSubstr("harbour?"));
    ASSERT_TRUE(answer.peak_bytes);  // Linux tells
    EXPECT_GE(*answer.peak_bytes, 0);
  }
  EXPECT_TRUE(comparison->uncontended);
  ASSERT_EQ(comparison->agreements.size(), 6u);
  EXPECT_EQ(comparison->agreements[0].a, AskMode::kGist);
  EXPECT_EQ(comparison->agreements[0].b, AskMode::kFull);
  EXPECT_TRUE(comparison->agreements[0].equal);  // both found the key
  EXPECT_TRUE(comparison->agreements[0].contains);
  EXPECT_EQ(comparison->agreements[0].f1, 1);
  EXPECT_GT(comparison->answers[1].result.usage.kv_bytes,
            comparison->answers[0].result.usage.kv_bytes);
}

TEST_F(CompareTest, TellsEachModesBeginAndAnswer) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  std::vector<std::pair<int, AskMode>> begun, answered;
  CompareEvents events;
  events.on_begin = [&](AskMode mode, int done, int total) {
    EXPECT_EQ(begun.size(), answered.size());
    EXPECT_EQ(total, 4);
    begun.emplace_back(done, mode);
  };
  events.on_answer = [&](const ModeAnswer& answer) {
    answered.emplace_back(int(answered.size()), answer.mode);
  };
  ASSERT_THAT(CompareModes(server().pipeline,
                           {.context_ids = {id}, .question = "harbour?"}, kAll,
                           Caller(), events),
              IsOk());
  EXPECT_EQ(begun, answered);
  EXPECT_EQ(begun.size(), 4u);
}

TEST_F(CompareTest, OnAGpuMemoryIsTheGpus) {
  HarnessOptions options;
  options.engine.device = "cuda:0";
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  for (int i = 0; i < 2; ++i) {  // what an earlier mode took is forgotten
    const auto comparison = Compare(id);
    ASSERT_THAT(comparison, IsOk());
    for (const ModeAnswer& answer : comparison->answers) {
      ASSERT_TRUE(answer.peak_bytes);
      EXPECT_GE(*answer.peak_bytes, answer.result.usage.kv_bytes);
      EXPECT_LT(*answer.peak_bytes, 2 * answer.result.usage.kv_bytes + 100'000);
    }
    EXPECT_GT(*comparison->answers[1].peak_bytes,
              *comparison->answers[0].peak_bytes);
  }
}

TEST_F(CompareTest, FindsAndLeavesNothingInMemory) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  constexpr AskMode kFull[] = {AskMode::kFull};
  ASSERT_THAT(
      server().Ask(
          {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
      IsOk());
  const int kept = counts().live_sequences;
  for (int i = 0; i < 2; ++i) {
    const auto comparison = Compare(id, kFull);
    ASSERT_THAT(comparison, IsOk());
    EXPECT_EQ(comparison->answers[0].result.usage.cached_tokens, 0);
    EXPECT_EQ(counts().live_sequences, kept);
  }
}

TEST_F(CompareTest, AModeThatFailsSaysWhyBesideTheOthers) {
  HarnessOptions options;
  options.engine.max_context_tokens = 100;
  options.has_embedder = false;
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 200));
  const auto comparison = Compare(id);
  ASSERT_THAT(comparison, IsOk());
  EXPECT_THAT(comparison->answers[0].status, IsOk());
  EXPECT_THAT(comparison->answers[1].status,
              StatusIs(StatusCode::kOutOfRange, HasSubstr("context of 100")));
  EXPECT_THAT(comparison->answers[2].status,
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("embedder")));
  EXPECT_TRUE(comparison->agreements.empty());
}

TEST_F(CompareTest, SaysThatItWasNotAlone) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(1);
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  std::atomic<bool> reading = false;
  std::thread compressing([&] {
    EXPECT_THAT(server().pipeline.Compress(
                    {DocumentWith("DEF456", 16000), 0}, Caller(),
                    [&](const CompressProgress&) { reading = true; }),
                IsOk());
  });
  while (!reading) std::this_thread::yield();
  const auto comparison = Compare(id);
  compressing.join();
  ASSERT_THAT(comparison, IsOk());
  EXPECT_FALSE(comparison->uncontended);
  EXPECT_TRUE(Compare(id)->uncontended);
}

TEST_F(CompareTest, OneAtATime) {
  HarnessOptions options;
  std::atomic<bool> hold = false;
  std::atomic<int> held = 0;
  options.engine.before_call = [&](std::string_view) {
    if (hold) ++held;
    while (hold) std::this_thread::yield();
    return absl::OkStatus();
  };
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 60));
  hold = true;
  std::thread first([&] { EXPECT_THAT(Compare(id), IsOk()); });
  while (held == 0) std::this_thread::yield();
  EXPECT_THAT(Compare(id), StatusIs(StatusCode::kResourceExhausted,
                                    HasSubstr("another comparison")));
  hold = false;
  first.join();
}

TEST_F(CompareTest, RefusesAModeTwiceAndACallerWhoLeft) {
  Start();
  const std::string id = server().IdOf("text");
  constexpr AskMode kTwice[] = {AskMode::kGist, AskMode::kGist};
  EXPECT_THAT(Compare(id, kTwice),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(Compare(id, {}), StatusIs(StatusCode::kInvalidArgument, _));
  Caller gone;
  gone.has_left = [] { return true; };
  EXPECT_THAT(CompareModes(server().pipeline,
                           {.context_ids = {id}, .question = "Q"}, kAll, gone),
              StatusIs(StatusCode::kCancelled, _));
}

}  // namespace
}  // namespace gist
