#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using AskTest = PipelineTest;

TEST_F(AskTest, AnswersFromTheGistsAlone) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  const int read = counts().prefill_tokens;
  const auto answer =
      server().Ask({.context_ids = {id}, .question = "What is it?"});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(*answer, AnswerTo("ABC123", "What is it?"));
  EXPECT_EQ(counts().loads, 1);
  EXPECT_EQ(counts().prefill_tokens - read, 4);  // the question
}

TEST_F(AskTest, AnswersFromTheWholeText) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  const auto answer = server().Ask(
      {.context_ids = {id}, .question = "What is it?", .mode = AskMode::kFull});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(*answer, AnswerTo("ABC123", "What is it?"));
  EXPECT_EQ(counts().loads, 0);
}

TEST_F(AskTest, SeveralContextsAreJoinedInTheOrderAsked) {
  Start();
  const std::string a = server().IdOf(DocumentWith("AAA111"));
  const std::string b = server().IdOf(DocumentWith("BBB222"));
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull}) {
    EXPECT_EQ(
        *server().Ask({.context_ids = {a, b}, .question = "Q", .mode = mode}),
        AnswerTo("AAA111, BBB222", "Q"));
    EXPECT_EQ(
        *server().Ask({.context_ids = {b, a}, .question = "Q", .mode = mode}),
        AnswerTo("BBB222, AAA111", "Q"));
  }
}

TEST_F(AskTest, FullTextsAreJoinedByAnEmptyLine) {
  HarnessOptions options;
  options.engine.tokens = FakeEngineOptions::Tokens::kBytes;
  Start(options);
  const std::string a = server().IdOf("aa"), b = server().IdOf("bb");
  AskResult took;
  ASSERT_THAT(
      server().Ask(
          {.context_ids = {a, b}, .question = "Q", .mode = AskMode::kFull},
          &took),
      IsOk());
  EXPECT_EQ(took.usage.prefilled_tokens, 6);
  EXPECT_EQ(took.usage.document_tokens, 4);
}

TEST_F(AskTest, AnswersAfterARestart) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const std::string id = server().IdOf(text);
  Start();
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull}) {
    EXPECT_EQ(
        *server().Ask({.context_ids = {id}, .question = "Q", .mode = mode}),
        AnswerTo("ABC123", "Q"));
  }
  EXPECT_TRUE(server().Compress(text)->cached);
}

TEST_F(AskTest, TextArrivesInWholeCharacters) {
  HarnessOptions options;
  options.engine.tokens = FakeEngineOptions::Tokens::kBytes;
  Start(options);
  const std::string question = "\xEB\xB9\x84\xEB\xB0\x80 \xF0\x9F\x94\x91?";
  const std::string id = server().IdOf("text");
  std::vector<std::string> pieces;
  const auto done =
      server().pipeline.Ask({.context_ids = {id}, .question = question},
                            Caller(), [&](const std::string& piece) {
                              pieces.push_back(piece);
                              return true;
                            });
  ASSERT_THAT(done, IsOk());
  pieces.erase(pieces.begin(), pieces.end() - 5);
  EXPECT_THAT(pieces, ElementsAre("\xEB\xB9\x84", "\xEB\xB0\x80", " ",
                                  "\xF0\x9F\x94\x91", "?"));
}

TEST_F(AskTest, AccountsForAnAnswerFromGists) {
  Start();
  const std::string a = server().IdOf(DocumentWith("AAA111"));
  const std::string b = server().IdOf(DocumentWith("BBB222"), 6);
  AskResult took;
  ASSERT_THAT(
      server().Ask({.context_ids = {a, b}, .question = "Which two?"}, &took),
      IsOk());
  const ModelInfo& model = server().engine.model();
  EXPECT_EQ(took.mode_used, AskMode::kGist);
  EXPECT_EQ(took.usage.document_tokens, 92);
  EXPECT_EQ(took.usage.prefix_tokens, 3);
  EXPECT_EQ(took.usage.loaded_slots, 10);
  EXPECT_EQ(took.usage.prefilled_tokens, 0);
  EXPECT_EQ(took.usage.question_tokens, 3);
  EXPECT_EQ(took.usage.answer_tokens, 7);  // Found a, b. You asked: Which two?
  EXPECT_EQ(took.usage.kv_bytes, model.KvBytes(10));
  EXPECT_EQ(took.usage.full_kv_bytes, model.KvBytes(92));
  EXPECT_DOUBLE_EQ(took.usage.compression_ratio, 9.2);
  EXPECT_TRUE(took.stopped);
  EXPECT_EQ(took.model_fingerprint, model.fingerprint);
  EXPECT_THAT(took.adapter_fingerprints,
              ElementsAre(server().engine.adapter().fingerprint,
                          server().engine.adapter().fingerprint));
}

TEST_F(AskTest, AccountsForAnAnswerFromTheText) {
  Start();
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  AskResult took;
  ASSERT_THAT(server().Ask({.context_ids = {id},
                            .question = "What?",
                            .mode = AskMode::kFull,
                            .max_tokens = 2},
                           &took),
              IsOk());
  EXPECT_EQ(took.mode_used, AskMode::kFull);
  EXPECT_EQ(took.usage.loaded_slots, 0);
  EXPECT_EQ(took.usage.prefilled_tokens, 46);
  EXPECT_EQ(took.usage.kv_bytes, server().engine.model().KvBytes(46));
  EXPECT_DOUBLE_EQ(took.usage.compression_ratio, 1);
  EXPECT_EQ(took.usage.answer_tokens, 2);
  EXPECT_FALSE(took.stopped);
}

TEST_F(AskTest, TimesAddUpToTheTotal) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(5);
  Start(options);
  const std::string id = server().IdOf("text");
  AskResult took;
  ASSERT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}, &took),
              IsOk());
  EXPECT_GE(took.timings.prefill_seconds, 2 * 0.005);  // up to the first token
  EXPECT_GE(took.timings.first_token_seconds, took.timings.prefill_seconds);
  EXPECT_GE(took.timings.decode_seconds, 0.005 * took.usage.answer_tokens);
  EXPECT_GE(took.timings.total_seconds,
            took.timings.first_token_seconds + took.timings.decode_seconds);
}

TEST_F(AskTest, SamplingReachesTheEngine) {
  Start();
  const std::string id = server().IdOf("text");
  AskInput input{.context_ids = {id}, .question = "Q"};
  input.sampling = {.temperature = 0.5f, .seed = 42};
  EXPECT_THAT(*server().Ask(input), HasSubstr("(seed 42)"));
}

struct BadQuestion {
  const char* name;
  AskInput input;  // {} as context_ids: one that exists
  StatusCode code;
  const char* message;
};

AskInput Question(std::string text, Sampling sampling = {}) {
  AskInput input;
  input.question = std::move(text);
  input.sampling = sampling;
  return input;
}

AskInput QuestionTo(std::vector<std::string> ids) {
  AskInput input = Question("Q");
  input.context_ids = std::move(ids);
  return input;
}

class BadQuestionTest : public PipelineTest,
                        public testing::WithParamInterface<BadQuestion> {};

TEST_P(BadQuestionTest, IsRefusedBeforeTheEngineWorks) {
  Start();
  AskInput input = GetParam().input;
  const std::string id = server().IdOf("text");
  if (input.context_ids.empty()) input.context_ids = {id};
  EXPECT_THAT(server().Ask(input),
              StatusIs(GetParam().code, HasSubstr(GetParam().message)));
  EXPECT_EQ(counts().decodes, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadQuestionTest,
    testing::Values(
        BadQuestion{"Empty", Question(""), StatusCode::kInvalidArgument,
                    "the question is empty"},
        BadQuestion{"NotUtf8", Question("ab\xFF"), StatusCode::kInvalidArgument,
                    "not UTF-8: byte 0xff at offset 2"},
        BadQuestion{
            "UnknownId", QuestionTo({"ctx_0123456789abcdef0123456789abcdef"}),
            StatusCode::kNotFound, "\"ctx_0123456789abcdef0123456789abcdef\""},
        BadQuestion{"HugeId", QuestionTo({std::string(1 << 20, 'x')}),
                    StatusCode::kNotFound, "xxx\"; ListContexts"},
        BadQuestion{"TooManyContexts",
                    QuestionTo(std::vector<std::string>(65, "ctx_")),
                    StatusCode::kInvalidArgument, "65 context ids, want 1 to"},
        BadQuestion{"TooHot", Question("Q", {.temperature = 2.5f}),
                    StatusCode::kInvalidArgument, "temperature is 2.5"},
        BadQuestion{"NotANumber", Question("Q", {.temperature = NAN}),
                    StatusCode::kInvalidArgument, "temperature is nan"},
        BadQuestion{"TopP", Question("Q", {.top_p = 1.5f}),
                    StatusCode::kInvalidArgument, "top_p is 1.5"},
        BadQuestion{"TopK", Question("Q", {.top_k = -1}),
                    StatusCode::kInvalidArgument, "top_k is -1"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(AskTest, NoContextIsRefused) {
  Start();
  EXPECT_THAT(server().Ask(Question("Q")),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("0 context ids, want 1 to 64")));
}

TEST_F(AskTest, NegativeMaxTokensAreRefused) {
  Start();
  AskInput input = QuestionTo({server().IdOf("text")});
  input.max_tokens = -1;
  EXPECT_THAT(server().Ask(input), StatusIs(StatusCode::kInvalidArgument,
                                            HasSubstr("max_tokens is -1")));
}

// A context of 100: prefix 3, gists 4, question 2 with one word; 91 are left.
class RoomTest : public PipelineTest {
 protected:
  void SetUp() override {
    HarnessOptions options;
    options.engine.max_context_tokens = 100;
    options.engine.tokens = FakeEngineOptions::Tokens::kBytes;
    options.limits.max_cached_kv_bytes = 1 << 20;
    Start(options);
    id_ = server().IdOf("0123456789");
  }
  std::string id_;
};

TEST_F(RoomTest, AnswerThatFillsTheContextIsAllowedAndOneMoreIsNot) {
  EXPECT_THAT(
      server().Ask({.context_ids = {id_}, .question = "Q", .max_tokens = 91}),
      IsOk());
  EXPECT_THAT(
      server().Ask({.context_ids = {id_}, .question = "Q", .max_tokens = 92}),
      StatusIs(StatusCode::kOutOfRange,
               AllOf(HasSubstr("the question's 2"), HasSubstr("and 92 for"),
                     HasSubstr("context of 100"))));
}

TEST_F(RoomTest, TheDefaultAnswerShrinksToWhatFits) {
  AskResult took;
  const std::string question(85, 'q');  // leaves 7
  ASSERT_THAT(server().Ask({.context_ids = {id_}, .question = question}, &took),
              IsOk());
  EXPECT_EQ(took.usage.answer_tokens, 7);
  EXPECT_FALSE(took.stopped);
}

TEST_F(RoomTest, AQuestionLongerThanTheContextIsRefused) {
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull}) {
    EXPECT_THAT(server().Ask({.context_ids = {id_},
                              .question = std::string(92, 'q'),
                              .mode = mode}),
                StatusIs(StatusCode::kOutOfRange, HasSubstr("93")));
  }
}

TEST_F(RoomTest, ADocumentLongerThanTheContextAnswersFromItsGistsOnly) {
  const std::string id = server().IdOf(std::string(200, 'd'));
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}), IsOk());
  EXPECT_THAT(
      server().Ask(
          {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
      StatusIs(
          StatusCode::kOutOfRange,
          AllOf(HasSubstr("documents of 200 tokens"), HasSubstr("MODE_GIST"))));
}

TEST_F(RoomTest, ADocumentThatIsTooLongMayBeCutInTheMiddle) {
  const std::string text = std::string(40, 'a') + std::string(120, 'b') +
                           std::string(39, 'c') + "\xC3\xA9";
  const std::string id = server().IdOf(text);
  const AskInput question = {.context_ids = {id},
                             .question = "Q",
                             .mode = AskMode::kFull,
                             .max_tokens = 15,
                             .truncate = true};
  AskResult took;
  // 100 - 3 - 2 - 15 = 80 bytes of 201 fit, and the last character is cut.
  EXPECT_THAT(server().Ask(question, &took), IsOk());
  EXPECT_EQ(took.usage.prefilled_tokens, 80);
  EXPECT_EQ(took.usage.truncated_tokens, 121);
  EXPECT_EQ(took.usage.document_tokens, 201);
  EXPECT_EQ(took.usage.cached_tokens, 0);
  EXPECT_THAT(server().Ask(question, &took), IsOk());
  EXPECT_EQ(took.usage.cached_tokens, 80);
}

TEST_F(RoomTest, TruncationLeavesWhatFitsAsItIs) {
  AskResult took;
  EXPECT_THAT(server().Ask({.context_ids = {id_},
                            .question = "Q",
                            .mode = AskMode::kFull,
                            .truncate = true},
                           &took),
              IsOk());
  EXPECT_EQ(took.usage.prefilled_tokens, 10);
  EXPECT_EQ(took.usage.truncated_tokens, 0);
}

TEST_F(AskTest, WhoStopsReadingStopsTheAnswer) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(1);
  Start(options);
  const std::string id = server().IdOf("text");
  std::string question;
  for (int i = 0; i < 200; ++i) question += "word ";
  int pieces = 0;
  const auto done = server().pipeline.Ask(
      {.context_ids = {id}, .question = question}, Caller(),
      [&](const std::string&) { return ++pieces < 3; });
  EXPECT_THAT(done, StatusIs(StatusCode::kCancelled, _));
  EXPECT_EQ(pieces, 3);
  EXPECT_LT(counts().decodes, 150);
}

TEST_F(AskTest, ADeadlineEndsTheAnswer) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(5);
  Start(options);
  const std::string id = server().IdOf("text");
  Caller caller;
  caller.deadline = Clock::now() + std::chrono::milliseconds(20);
  EXPECT_THAT(
      server().pipeline.Ask({.context_ids = {id}, .question = "a b c d e f"},
                            caller, [](const std::string&) { return true; }),
      StatusIs(StatusCode::kDeadlineExceeded, _));
  EXPECT_EQ(counts().live_sequences, 0);
}

TEST_F(AskTest, AnEngineErrorWhileDecodingIsTheAnswersErrorAlone) {
  std::atomic<bool> broken = true;
  HarnessOptions options;
  options.engine.before_call = [&](std::string_view call) {
    return broken && call == "Decode" ? absl::InternalError("backend threw")
                                      : absl::OkStatus();
  };
  Start(options);
  const std::string id = server().IdOf("text");
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}),
              StatusIs(StatusCode::kInternal, HasSubstr("backend threw")));
  broken = false;
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}), IsOk());
}

TEST_F(AskTest, TheSecondQuestionDoesNotReadTheTextAgain) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123", 200));
  AskInput input{
      .context_ids = {id}, .question = "First?", .mode = AskMode::kFull};
  AskResult first, second;
  EXPECT_EQ(server().Ask(input, &first).value(), AnswerTo("ABC123", "First?"));
  const int read = counts().prefill_tokens;
  input.question = "And the second?";
  input.sampling = {.temperature = 1, .seed = 7};
  EXPECT_EQ(server().Ask(input, &second).value(),
            AnswerTo("ABC123", "And the second?") + " (seed 7)");
  EXPECT_EQ(first.usage.cached_tokens, 0);
  EXPECT_EQ(second.usage.cached_tokens, second.usage.prefilled_tokens);
  EXPECT_EQ(counts().prefill_tokens - read, second.usage.question_tokens);

  // The document's text, its gists' text among it, goes when the last of its
  // contexts does.
  EXPECT_GT(counts().live_sequences, 0);
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  EXPECT_EQ(counts().live_sequences, 0);
}

// The fake engine tells a text that the answer adapter read from one that the
// frozen model read.
TEST_F(AskTest, TheAnswerAdapterReadsTheQuestionAndNothingBefore) {
  HarnessOptions options;
  options.limits.max_cached_kv_bytes = 1 << 20;
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  for (const AskMode mode :
       {AskMode::kGist, AskMode::kFull, AskMode::kRag, AskMode::kHybrid}) {
    AskInput input{
        .context_ids = {id}, .question = "What is it?", .mode = mode};
    AskResult took;
    const auto frozen = server().Ask(input, &took);
    ASSERT_THAT(frozen, IsOk());
    EXPECT_EQ(took.answer_adapter_fingerprint, "");
    input.answer_adapter = true;
    const auto trained = server().Ask(input, &took);
    ASSERT_THAT(trained, IsOk());
    EXPECT_EQ(*trained, "Read: " + *frozen);
    EXPECT_EQ(took.answer_adapter_fingerprint,
              server().engine.answer_adapter().fingerprint);
    // The text that the question before left in memory serves both.
    EXPECT_EQ(took.usage.cached_tokens > 0, mode == AskMode::kFull);
  }
}

TEST_F(AskTest, AnswerAdaptersOfOneBatchAreToldApart) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(1);
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  std::vector<std::thread> clients;
  std::atomic<int> right = 0;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&, i] {
      const auto answer = server().Ask({.context_ids = {id},
                                        .question = "What is it?",
                                        .answer_adapter = i % 2 == 1});
      const std::string wanted = AnswerTo("ABC123", "What is it?");
      right += answer.ok() && *answer == (i % 2 == 1 ? "Read: " : "") + wanted;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 6);
  EXPECT_GT(counts().largest_decode_batch, 1);
}

TEST_F(AskTest, AServerWithoutAnAnswerAdapterSaysSo) {
  HarnessOptions options;
  options.engine.has_answer_adapter = false;
  Start(options);
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  EXPECT_THAT(
      server().Ask(
          {.context_ids = {id}, .question = "Q", .answer_adapter = true}),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("--answer-adapter")));
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}), IsOk());
}

TEST_F(AskTest, ALongCompressDoesNotStallAnAsk) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::milliseconds(2);
  Start(options);
  const std::string id = server().IdOf("text");
  std::atomic<bool> compressed = false;
  std::atomic<bool> reading = false;
  std::thread compressing([&] {
    const auto result = server().pipeline.Compress(
        {DocumentWith("ABC123", 16000), 0}, Caller(),
        [&](const CompressProgress&) { reading = true; });
    EXPECT_THAT(result, IsOk());
    compressed = true;
  });
  while (!reading) std::this_thread::yield();
  EXPECT_THAT(server().Ask({.context_ids = {id}, .question = "Q"}), IsOk());
  EXPECT_FALSE(compressed);  // it takes 1000 chunks, the answer about 8 steps
  compressing.join();
}

TEST_F(AskTest, EightClientsAtATimeEachGetTheirOwnAnswer) {
  HarnessOptions options;
  options.engine.step_delay = std::chrono::microseconds(200);
  Start(options);
  std::vector<std::thread> clients;
  std::atomic<int> right = 0;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      for (int round = 0; round < 5; ++round) {
        const std::string passkey =
            "KEY" + std::to_string(client * 100 + round + 100);
        const std::string id = server().IdOf(DocumentWith(passkey, 60));
        const std::string question = "Round " + passkey + "?";
        const auto answer = server().Ask(
            {.context_ids = {id},
             .question = question,
             .mode = round % 2 == 0 ? AskMode::kGist : AskMode::kFull});
        if (answer.ok() && *answer == AnswerTo(passkey, question)) ++right;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 40);
  EXPECT_GT(counts().largest_decode_batch, 1);
  EXPECT_EQ(counts().overlapping_calls, 0);
  EXPECT_EQ(counts().live_sequences, 0);
}

}  // namespace
}  // namespace gist
