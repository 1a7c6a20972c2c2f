#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/identity.h"
#include "tests/server/harness.h"
#include "tests/storage/raw_database.h"

namespace gist {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;

using CompressTest = PipelineTest;
using absl::StatusCode;

TEST_F(CompressTest, RecordsWhatItMade) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto result = server().Compress(text);
  ASSERT_THAT(result, IsOk());
  const ContextRecord& record = result->context.record;
  EXPECT_FALSE(result->cached);
  EXPECT_TRUE(result->is_new);
  EXPECT_EQ(record.document_id, DocumentId("", text));
  EXPECT_EQ(record.document_bytes, int64_t(text.size()));
  EXPECT_EQ(record.document_tokens, 46);
  EXPECT_EQ(record.context_id,
            ContextId(record.document_id, record.model_fingerprint));
  EXPECT_GT(record.created_unix_ms, 1600000000000);
  ASSERT_EQ(record.representations.size(), 1u);
  const Representation& gists = record.representations.front();
  EXPECT_EQ(gists.rung, Rung::kGist);
  EXPECT_EQ(gists.gist_tokens, 4);
  EXPECT_EQ(gists.kv_slots, 4);
  EXPECT_EQ(gists.kv_bytes, server().engine.model().KvBytes(4));
  EXPECT_EQ(gists.adapter_fingerprint, server().engine.adapter().fingerprint);
  EXPECT_FALSE(gists.imported);
  EXPECT_TRUE(result->context.has_text);
  EXPECT_EQ(result->context.full_context_kv_bytes,
            server().engine.model().KvBytes(46));
  EXPECT_GT(result->timings.prefill_seconds, 0);
  EXPECT_GT(result->timings.build_seconds, 0);
  EXPECT_GT(result->timings.store_seconds, 0);
  EXPECT_GE(result->timings.total_seconds,
            result->timings.prefill_seconds + result->timings.store_seconds);
}

TEST_F(CompressTest, TheSameTextIsComputedOnce) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto first = server().Compress(text);
  const int prefills = counts().prefills;
  const auto second = server().Compress(text);
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(second->cached);
  EXPECT_FALSE(second->is_new);
  EXPECT_EQ(second->context.record, first->context.record);
  EXPECT_EQ(second->timings.prefill_seconds, 0);
  EXPECT_EQ(second->timings.build_seconds, 0);
  EXPECT_EQ(second->timings.store_seconds, 0);
  EXPECT_EQ(counts().prefills, prefills);
  EXPECT_EQ(counts().gist_passes, 1);
}

TEST_F(CompressTest, TheSameTextIsComputedOnceByEightAtATime) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(1);
  Start(options);
  const std::string text = DocumentWith("ABC123", 200);
  std::atomic<int> computed = 0, ok = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      const auto result = server().Compress(text);
      if (result.ok()) ++ok;
      if (result.ok() && !result->cached) ++computed;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(ok, 8);
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(counts().gist_passes, 1);
}

TEST_F(CompressTest, AnotherNumberOfGistsIsAnotherFormOfTheContext) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto four = server().Compress(text, 4);
  const auto six = server().Compress(text, 6);
  ASSERT_THAT(six, IsOk());
  EXPECT_FALSE(six->cached);
  EXPECT_TRUE(four->is_new);
  EXPECT_FALSE(six->is_new);
  const ContextRecord& record = six->context.record;
  EXPECT_EQ(record.context_id, four->context.record.context_id);
  ASSERT_EQ(record.representations.size(), 2u);
  EXPECT_EQ(record.representations[0].gist_tokens, 4);
  EXPECT_EQ(record.representations[1].gist_tokens, 6);
  EXPECT_EQ(six->context.representation.gist_tokens, 6);
  EXPECT_EQ(server().pipeline.usage().contexts, 1);
  EXPECT_EQ(server().pipeline.usage().bytes,
            server().engine.model().KvBytes(4 + 6) + int64_t(text.size()));

  const auto again = server().Compress(text, 4);
  EXPECT_TRUE(again->cached);
  EXPECT_EQ(again->context.representation.gist_tokens, 4);
  EXPECT_EQ(counts().gist_passes, 2);
  // A question takes the newest gists, or the number that it names.
  for (const auto& [wanted, used] : {std::pair(0, 6), {4, 4}, {6, 6}}) {
    AskResult took;
    EXPECT_EQ(*server().Ask({.context_ids = {record.context_id},
                             .question = "Q",
                             .gist_tokens = wanted},
                            &took),
              AnswerTo("ABC123", "Q"));
    EXPECT_EQ(took.usage.loaded_slots, used);
  }
  EXPECT_THAT(server().Ask({.context_ids = {record.context_id},
                            .question = "Q",
                            .gist_tokens = 5}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("no representation of 5 gists")));
}

class FullTest : public PipelineTest {
 protected:
  absl::StatusOr<CompressResult> Compress(
      const std::string& text, std::optional<KvStorage> storage = {}) {
    return server().pipeline.Compress(
        {.text = text, .rung = Rung::kFull, .storage = storage}, Caller());
  }
  std::string AskFull(const std::vector<std::string>& ids, AskResult* result) {
    const auto answer = server().Ask(
        {.context_ids = ids, .question = "Q", .mode = AskMode::kFull}, result);
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? *answer : "";
  }
};

TEST_F(FullTest, IsStoredAndAnswersAsTheTextDoes) {
  Start();
  const std::string text = DocumentWith("ABC123") + DocumentWith("DEF456");
  const std::string id = server().IdOf(text, 4);
  AskResult result;
  const std::string from_text = AskFull({id}, &result);
  EXPECT_FALSE(result.rung_used);
  const int64_t tokens = result.usage.prefilled_tokens;
  EXPECT_GT(tokens, 0);
  for (const KvStorage storage : {KvStorage::kI8, KvStorage::kF16}) {
    const auto made = Compress(text, storage);
    ASSERT_THAT(made, IsOk());
    EXPECT_FALSE(made->cached);
    EXPECT_EQ(made->context.record.context_id, id) << "of the same context";
    const Representation& full = made->context.representation;
    EXPECT_EQ(full.rung, Rung::kFull);
    EXPECT_EQ(full.ratio, 1);
    EXPECT_EQ(full.storage, storage);
    EXPECT_EQ(full.adapter_fingerprint, "");
    EXPECT_EQ(full.kv_slots, tokens);
    EXPECT_TRUE(Compress(text, storage)->cached);
  }
  EXPECT_EQ(counts().full_passes, 2);
  EXPECT_TRUE(Compress(text)->cached) << "i8 is the default";

  const int read = counts().prefill_tokens;
  EXPECT_EQ(AskFull({id}, &result), from_text);
  EXPECT_EQ(result.rung_used, Rung::kFull);
  EXPECT_EQ(result.usage.loaded_slots, tokens);
  EXPECT_EQ(result.usage.prefilled_tokens, 0);
  EXPECT_EQ(result.usage.compression_ratio, 1);
  EXPECT_EQ(counts().prefill_tokens, read + result.usage.question_tokens);
  // Gists stay what gist questions use.
  EXPECT_EQ(*server().Ask({.context_ids = {id}, .question = "Q"}, &result),
            AnswerTo("ABC123", "Q"));
  EXPECT_EQ(result.usage.loaded_slots, 4);
  EXPECT_EQ(result.rung_used, Rung::kGist);
}

TEST_F(FullTest, GoesWithItsContextIntoFilesAndQuotas) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto made = Compress(text);
  ASSERT_THAT(made, IsOk());
  EXPECT_TRUE(made->is_new);
  const std::string id = made->context.record.context_id;
  EXPECT_EQ(server().pipeline.usage().bytes,
            made->context.representation.kv_bytes + int64_t(text.size()));
  const auto file = server().pipeline.Export(id, /*without_text=*/true);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  EXPECT_EQ(server().pipeline.usage().bytes, 0);
  ASSERT_THAT(server().pipeline.Import(*file, Caller()), IsOk());
  AskResult result;
  EXPECT_EQ(AskFull({id}, &result), AnswerTo("ABC123", "Q"))
      << "without a text";
  EXPECT_EQ(result.rung_used, Rung::kFull);
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("no representation of gists")));
}

// In the joined text each document sees those before it.
TEST_F(FullTest, SeveralDocumentsAreReadAsText) {
  Start();
  const std::string a =
      Compress(DocumentWith("ABC123"))->context.record.context_id;
  const std::string b =
      Compress(DocumentWith("DEF456"))->context.record.context_id;
  AskResult result;
  EXPECT_EQ(AskFull({a, b}, &result), AnswerTo("ABC123, DEF456", "Q"));
  EXPECT_FALSE(result.rung_used);
  EXPECT_EQ(result.usage.loaded_slots, 0);
}

TEST_F(FullTest, WhatCannotBeMadeIsRefused) {
  HarnessOptions options;
  options.engine.max_context_tokens = 40;
  Start(options);
  EXPECT_THAT(Compress(DocumentWith("ABC123")),
              StatusIs(StatusCode::kOutOfRange, HasSubstr("into gists")));
  EXPECT_THAT(Compress("text", KvStorage::kI4),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("is i4")));
  EXPECT_THAT(server().pipeline.Compress(
                  {.text = "text", .storage = KvStorage::kI8}, Caller()),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("want f16")));
  EXPECT_THAT(
      server().pipeline.Compress(
          {.text = "text", .gist_tokens = 4, .rung = Rung::kFull}, Caller()),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("no gists")));
  EXPECT_THAT(server().pipeline.Compress(
                  {.text = "text", .rung = Rung::kSelected}, Caller()),
              StatusIs(StatusCode::kUnimplemented, HasSubstr("selected")));
}

TEST_F(CompressTest, ARepresentationThatIsMadeAgainCountsOnce) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const std::string id = server().IdOf(text, 4);
  server().IdOf(text, 6);
  const int64_t bytes = server().pipeline.usage().bytes;
  const std::string file = server().pipeline.Export(id, false).value();
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  EXPECT_EQ(server().pipeline.usage().bytes, 0);
  ASSERT_THAT(server().pipeline.Import(file, Caller()), IsOk());
  EXPECT_EQ(server().pipeline.usage().bytes, bytes);
  server().IdOf(text, 4);  // in place of the imported one
  EXPECT_EQ(server().pipeline.usage().bytes, bytes);
  const auto got = server().pipeline.Get(id);
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->record.representations.size(), 2u);
  EXPECT_TRUE(got->record.representations[0].imported);
  EXPECT_FALSE(got->record.representations[1].imported);
}

TEST_F(CompressTest, WhatAnotherVersionOfTheMethodMadeIsMadeAgain) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const std::string id = server().IdOf(text);
  ContextRecord record = *server().store->GetRecord(id);
  Representation& form = record.representations[0];
  EXPECT_EQ(form.method_version, MethodVersion(Rung::kGist));
  const CompressedKv kv = *server().store->GetKv(record, form);
  form.method_version = 2;
  ASSERT_THAT(server().store->Put(record, text, {&kv, 1}, {}), IsOk());
  const AskInput input = {.context_ids = {id}, .question = "What is it?"};
  EXPECT_THAT(server().Ask(input),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr(id + ": representation gist/")));
  const auto again = server().Compress(text);
  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->cached);
  EXPECT_EQ(again->context.record.representations.size(), 1u);
  EXPECT_EQ(*server().Ask(input), AnswerTo("ABC123", "What is it?"));
}

TEST_F(CompressTest, TheDefaultNumberOfGistsIsTheSameContextAsItsNumber) {
  Start();
  const std::string id = server().IdOf("some text", 0);
  EXPECT_EQ(server().IdOf("some text", 4), id);
  EXPECT_EQ(counts().gist_passes, 1);
}

TEST_F(CompressTest,
       AnEngineThatMakesGistsOfTwentyTokensReadsLongTextInGroups) {
  HarnessOptions options;
  options.engine.max_document_tokens = 20;
  Start(options);
  const std::string text = DocumentWith("ABC123", 16) +
                           DocumentWith("DEF456", 16) +
                           DocumentWith("GHI789", 16);  // 22 tokens each
  const auto result = server().Compress(text, 6);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->context.representation.gist_tokens,
            24);  // 66 tokens: 4 groups
  EXPECT_EQ(counts().gist_passes, 4);
  EXPECT_EQ(counts().prefill_tokens, 66);
  const auto answer = server().Ask(
      {.context_ids = {result->context.record.context_id}, .question = "Q"});
  ASSERT_THAT(answer, IsOk());
  const size_t first = answer->find("ABC123"), last = answer->find("GHI789");
  EXPECT_NE(first, std::string::npos) << *answer;
  EXPECT_NE(last, std::string::npos) << *answer;
  EXPECT_LT(first, last);
}

TEST_F(CompressTest, ProgressGrowsToTheWhole) {
  Start();
  std::vector<int64_t> done;
  const auto result = server().pipeline.Compress(
      {DocumentWith("ABC123"), 0}, Caller(), [&](const CompressProgress& step) {
        EXPECT_EQ(step.total_tokens, 46);
        done.push_back(step.done_tokens);
      });
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(done, (std::vector<int64_t>{16, 32, 46}));
}

struct BadDocument {
  const char* name;
  std::string text;
  int gist_tokens;
  StatusCode code;
  const char* message;
};

class BadDocumentTest : public PipelineTest,
                        public testing::WithParamInterface<BadDocument> {};

TEST_P(BadDocumentTest, IsRefusedAndNothingIsKept) {
  HarnessOptions options;
  options.limits.max_document_bytes = 1000;
  options.limits.max_document_tokens = 100;
  Start(options);
  EXPECT_THAT(server().Compress(GetParam().text, GetParam().gist_tokens),
              StatusIs(GetParam().code, HasSubstr(GetParam().message)));
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
  EXPECT_EQ(counts().prefills, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadDocumentTest,
    testing::Values(
        BadDocument{"Empty", "", 0, StatusCode::kInvalidArgument, "is empty"},
        BadDocument{"NotUtf8", "abc\xC3(", 0, StatusCode::kInvalidArgument,
                    "not UTF-8: byte 0xc3 at offset 3"},
        BadDocument{"CutCharacter", "abc\xEB\xB9", 0,
                    StatusCode::kInvalidArgument, "at offset 3"},
        BadDocument{"TooManyBytes", std::string(1001, 'a'), 0,
                    StatusCode::kResourceExhausted,
                    "has 1001 bytes, the limit is 1000"},
        BadDocument{"TooManyTokens", DocumentWith("ABC123", 100), 0,
                    StatusCode::kResourceExhausted,
                    "has 106 tokens, the limit is 100"},
        BadDocument{"NegativeGists", "text", -2, StatusCode::kInvalidArgument,
                    "gist_tokens is -2"},
        BadDocument{"HugeGists", "text", 2147483646,
                    StatusCode::kInvalidArgument, "below 8189"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(CompressTest, MoreGistsThanTheModelCanReadAreRefused) {
  HarnessOptions options;
  options.engine.max_document_tokens = 20;
  options.engine.max_context_tokens = 100;
  Start(options);
  EXPECT_THAT(server().Compress(DocumentWith("ABC123", 80), 20),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("100 gists (20 for each of 5 groups")));
}

TEST_F(CompressTest, ALimitIsStillAllowed) {
  HarnessOptions options;
  options.limits.max_document_bytes = 10;
  Start(options);
  EXPECT_THAT(server().Compress("0123456789"), IsOk());
}

TEST_F(CompressTest, CancellingStopsBeforeTheNextStepAndKeepsNothing) {
  std::atomic<bool> left = false;
  std::atomic<int> steps = 0;
  HarnessOptions options;
  options.engine.before_call = [&](std::string_view) {
    if (++steps == 5) left = true;
    return absl::OkStatus();
  };
  Start(options);
  Caller caller;
  caller.has_left = [&] { return left.load(); };
  EXPECT_THAT(
      server().pipeline.Compress({DocumentWith("ABC123", 800), 0}, caller),
      StatusIs(StatusCode::kCancelled, _));
  EXPECT_EQ(steps, 5);
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
  EXPECT_EQ(counts().live_sequences, 0);
}

TEST_F(CompressTest, AnotherNumberOfGistsReadsTheDocumentOnce) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  options.engine.max_document_tokens = 30;  // two groups
  Start(options);
  const std::string text = DocumentWith("ABC123");
  const auto four = server().Compress(text, 4);
  ASSERT_THAT(four, IsOk());
  const int read = counts().prefill_tokens;
  const auto two = server().Compress(text, 2);
  ASSERT_THAT(two, IsOk());
  EXPECT_EQ(four->usage.cached_tokens, 0);
  EXPECT_EQ(two->usage.cached_tokens, two->context.record.document_tokens);
  EXPECT_FALSE(two->cached);
  EXPECT_EQ(counts().prefill_tokens, read);
  // The same gists as without the cache.
  const auto gists_of = [&](const absl::StatusOr<CompressResult>& result) {
    return server()
        .store->GetKv(result->context.record, result->context.representation)
        .value();
  };
  const CompressedKv kept = gists_of(two);
  options.limits.max_cached_kv_bytes = 0;
  Start(options);
  ASSERT_THAT(server().pipeline.Delete(two->context.record.context_id), IsOk());
  const auto fresh = server().Compress(text, 2);
  ASSERT_THAT(fresh, IsOk());
  EXPECT_EQ(gists_of(fresh), kept);
}

TEST_F(CompressTest, WhoWaitsForAnEqualRequestThatIsCancelledComputesItself) {
  std::atomic<bool> left = false;
  std::atomic<int> steps = 0;
  HarnessOptions options;
  options.engine.before_call = [&](std::string_view) {
    ++steps;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return absl::OkStatus();
  };
  Start(options);
  const std::string text = DocumentWith("ABC123", 800);
  std::thread first([&] {
    Caller caller;
    caller.has_left = [&] { return left.load(); };
    EXPECT_THAT(server().pipeline.Compress({text, 0}, caller),
                StatusIs(StatusCode::kCancelled, _));
  });
  while (steps < 3) std::this_thread::yield();
  std::thread second([&] {
    const auto result = server().Compress(text);
    ASSERT_THAT(result, IsOk());
    EXPECT_FALSE(result->cached);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  left = true;
  first.join();
  second.join();
}

TEST_F(CompressTest, WhoWaitsForAnEqualRequestMayLeave) {
  std::atomic<bool> hold = true;
  std::atomic<int> steps = 0;
  HarnessOptions options;
  options.engine.before_call = [&](std::string_view) {
    ++steps;
    while (hold) std::this_thread::yield();
    return absl::OkStatus();
  };
  Start(options);
  std::thread first([&] { EXPECT_THAT(server().Compress("text"), IsOk()); });
  while (steps == 0) std::this_thread::yield();
  Caller caller;
  caller.deadline = Clock::now() + std::chrono::milliseconds(5);
  EXPECT_THAT(server().pipeline.Compress({"text", 0}, caller),
              StatusIs(StatusCode::kDeadlineExceeded, _));
  hold = false;
  first.join();
}

TEST_F(CompressTest, AnEngineErrorAtAnyCallLeavesNothingAndTheNextTryWorks) {
  const std::string text = DocumentWith("ABC123");
  for (int bad_call = 1; bad_call <= 5; ++bad_call) {  // start, 3 reads, gists
    SCOPED_TRACE(bad_call);
    std::atomic<int> call = 0;
    HarnessOptions options;
    options.engine.before_call = [&](std::string_view) {
      return ++call == bad_call ? absl::InternalError("out of memory")
                                : absl::OkStatus();
    };
    Start(options);
    EXPECT_THAT(server().Compress(text),
                StatusIs(StatusCode::kInternal, HasSubstr("out of memory")));
    EXPECT_EQ(server().pipeline.usage().contexts, 0);
    EXPECT_FALSE(server().store->HasText(DocumentId("", text)).value());
    EXPECT_EQ(counts().live_sequences, 0);
    const auto again = server().Compress(text);
    ASSERT_THAT(again, IsOk());
    EXPECT_FALSE(again->cached);
    ASSERT_THAT(server().pipeline.Delete(again->context.record.context_id),
                IsOk());
  }
}

// Swaps the adapter on the scheduler's thread, as a promotion does.
class UseAdapterJob : public Job {
 public:
  explicit UseAdapterJob(std::string folder) : folder_(std::move(folder)) {}
  QueueClass queue_class() const override { return QueueClass::kAdapter; }
  absl::StatusOr<Next> Step(Engine& engine, int) override {
    GIST_RETURN_IF_ERROR(engine.UseAdapter(folder_));
    return Next::kDone;
  }
  void End(const absl::Status& status) override { EXPECT_THAT(status, IsOk()); }

 private:
  const std::string folder_;
};

class SwapTest : public CompressTest {
 protected:
  // Writes fake adapters that count from 1.
  std::string Adapter(int number) {
    const std::string folder = dir_ / std::to_string(number);
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/adapter_config.json")
        << "{\"fake\": true, \"gist_tokens\": 4, \"n\": " << number << "}";
    return folder;
  }
  // The `call`-th engine call finds a swap waiting, for each of `calls`.
  void StartSwappingAt(std::vector<int> calls) {
    HarnessOptions options;
    options.engine.before_call = [this, calls](std::string_view name) {
      if (name == "UseAdapter") return absl::OkStatus();
      const auto found = std::ranges::find(calls, ++call_);
      if (found == calls.end()) return absl::OkStatus();
      return server().scheduler.Submit(
          std::make_unique<UseAdapterJob>(Adapter(++adapters_)), Caller());
    };
    Start(options);
  }
  // Checks that the stored gists are of the adapter that their record names.
  void ExpectOwnGists(const absl::StatusOr<CompressResult>& result) {
    ASSERT_THAT(result, IsOk());
    const Representation& form = result->context.representation;
    const auto gists = server().store->GetKv(result->context.record, form);
    ASSERT_THAT(gists, IsOk());
    EXPECT_EQ(ToDense(*gists).values[2],
              FakeEngine::MarkOf(form.adapter_fingerprint));
  }

  TempDir dir_;
  std::atomic<int> call_ = 0;
  int adapters_ = 0;
};

TEST_F(SwapTest, ADocumentInFlightIsFinishedByTheAdapterThatBeganIt) {
  StartSwappingAt({2});
  const std::string before = server().engine.adapter().fingerprint;
  const auto result = server().Compress(DocumentWith("ABC123"));
  ExpectOwnGists(result);
  EXPECT_EQ(result->context.representation.adapter_fingerprint, before);
  EXPECT_NE(server().engine.adapter().fingerprint, before);
  const auto again = server().Compress(DocumentWith("ABC123"));
  ExpectOwnGists(again);
  EXPECT_FALSE(again->cached);
  EXPECT_EQ(again->context.record.representations.size(), 2u);
}

TEST_F(SwapTest, ASwapBetweenPlanAndStartPlansAnew) {
  // An ask holds the scheduler back until the compression has been planned.
  std::atomic<bool> hold = true;
  HarnessOptions options;
  options.engine.before_call = [&](std::string_view name) {
    while (name == "StartPrompt" && hold) std::this_thread::yield();
    return absl::OkStatus();
  };
  Start(options);
  const std::string id = server().IdOf("other text");
  std::thread ask([&] {
    EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}), IsOk());
  });
  ASSERT_THAT(server().scheduler.Submit(
                  std::make_unique<UseAdapterJob>(Adapter(1)), Caller()),
              IsOk());
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    hold = false;
  });
  const auto result = server().Compress(DocumentWith("ABC123"));
  ask.join();
  release.join();
  ExpectOwnGists(result);
  EXPECT_EQ(result->context.representation.adapter_fingerprint,
            server().engine.adapter().fingerprint);
}

TEST_F(SwapTest, ADocumentOfSeveralGroupsIsOfOneAdapter) {
  StartSwappingAt({5});
  const auto result = server().Compress(DocumentWith("ABC123", 2500));
  ExpectOwnGists(result);
  EXPECT_EQ(result->context.representation.gist_tokens, 12);
  EXPECT_EQ(result->context.representation.adapter_fingerprint,
            server().engine.adapter().fingerprint);
}

TEST_F(SwapTest, AfterASecondSwapItIsForTheCallerToTryAgain) {
  StartSwappingAt({5, 70, 135});
  const std::string text = DocumentWith("ABC123", 2500);
  EXPECT_THAT(server().Compress(text),
              StatusIs(StatusCode::kAborted, HasSubstr("try again")));
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
  ExpectOwnGists(server().Compress(text));
}

TEST_F(SwapTest, OldContextsKeepAnswering) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  ASSERT_THAT(server().scheduler.Submit(
                  std::make_unique<UseAdapterJob>(Adapter(1)), Caller()),
              IsOk());
  AskResult took;
  const auto answer =
      server().Ask({.context_ids = {id}, .question = "Q"}, &took);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(*answer, AnswerTo("ABC123", "Q"));
  EXPECT_NE(took.adapter_fingerprints.front(),
            server().engine.adapter().fingerprint);
}

// Flips a bit in the last byte of whatever `family` holds.
void Damage(const std::string& folder, const std::string& family) {
  RawDatabase raw(folder);
  for (const std::string& line : raw.Keys()) {
    if (!line.starts_with(family + ": ")) continue;
    const std::string key = line.substr(family.size() + 2);
    std::string value = raw.Get(family, key);
    value.back() ^= 1;
    raw.Put(family, key, value);
  }
}

class DamagedStoreTest : public PipelineTest,
                         public testing::WithParamInterface<const char*> {};

TEST_P(DamagedStoreTest, CompressComputesAnewAndMendsIt) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const std::string id = server().IdOf(text);
  Stop();
  Damage(folder(), GetParam());
  Start();
  const auto result = server().Compress(text);
  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->cached);
  EXPECT_FALSE(result->is_new);
  EXPECT_EQ(result->context.record.context_id, id);
  EXPECT_EQ(counts().gist_passes, 1);
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull}) {
    const auto answer =
        server().Ask({.context_ids = {id}, .question = "Q", .mode = mode});
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(*answer, AnswerTo("ABC123", "Q"));
  }
  EXPECT_TRUE(server().Compress(text)->cached);
}

INSTANTIATE_TEST_SUITE_P(All, DamagedStoreTest,
                         testing::Values("gists", "documents", "contexts"));

TEST_F(CompressTest, ADamagedBlobNeverAnswers) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  Stop();
  Damage(folder(), "gists");
  Start();
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr(id), HasSubstr("checksum"),
                             HasSubstr("compress the document again"))));
  EXPECT_THAT(server().pipeline.Export(id, false),
              StatusIs(StatusCode::kDataLoss, _));
}

}  // namespace
}  // namespace gist
