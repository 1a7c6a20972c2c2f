// Contexts of one model on a server that runs another: their text answers,
// their representations do not.
#include <string>

#include "core/base/identity.h"
#include "server/support/errors.h"
#include "storage/kv_codec.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;

MATCHER_P(HasReason, reason, "") {
  const absl::Status status = arg.ok() ? absl::OkStatus() : arg.status();
  *result_listener << status;
  return !status.ok() && DetailsOf(status).reason == reason;
}

class OtherModelTest : public PipelineTest {
 protected:
  static HarnessOptions Other() {
    HarnessOptions options;
    options.engine.model_seed = "other";
    return options;
  }
  std::string Added(const std::string& text) {
    const auto result = server().pipeline.Add({.text = text}, Caller());
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context.record.context_id : "";
  }
  absl::StatusOr<std::string> AskIn(AskMode mode, const std::string& id,
                                    AskResult* took = nullptr) {
    return server().Ask({.context_ids = {id}, .question = "Q", .mode = mode},
                        took);
  }
  void ExpectTheTextAnswers(const std::string& id) {
    EXPECT_EQ(*AskIn(AskMode::kFull, id), AnswerTo("ABC123", "Q"));
    AskResult took;
    EXPECT_THAT(AskIn(AskMode::kRag, id, &took), IsOk());
    EXPECT_FALSE(took.chunks.empty());
  }
  void ExpectGistsAreRefused(const std::string& id, const std::string& held) {
    const std::string this_model = server().engine.model().fingerprint;
    for (const AskMode mode : {AskMode::kGist, AskMode::kHybrid}) {
      const auto refused = AskIn(mode, id);
      EXPECT_THAT(refused, HasReason(Reason::kModelMismatch));
      EXPECT_THAT(std::string(Message(refused.status())),
                  AllOf(HasSubstr(id), HasSubstr(this_model), HasSubstr(held),
                        HasSubstr("representations of another model"),
                        HasSubstr("MODE_FULL or MODE_RAG")));
    }
  }

  const std::string text_ = DocumentWith("ABC123");
};

TEST_F(OtherModelTest, ATextAloneAnswersById) {
  Start();
  const std::string id = Added(text_);
  Start(Other());
  ExpectTheTextAnswers(id);
  ExpectGistsAreRefused(id, "its text alone");
  EXPECT_THAT(server().Ask({.all_documents = true,
                            .question = "secret passkey",
                            .mode = AskMode::kRag}),
              IsOk());
}

TEST_F(OtherModelTest, TheTextOfACompressedContextAnswers) {
  Start();
  const std::string id = server().IdOf(text_);
  ASSERT_THAT(server().pipeline.Compress({.text = text_, .rung = Rung::kFull},
                                         Caller()),
              IsOk());
  Start(Other());
  AskResult took;
  EXPECT_EQ(*AskIn(AskMode::kFull, id, &took), AnswerTo("ABC123", "Q"));
  EXPECT_FALSE(took.rung_used.has_value()) << "its keys are another model's";
  EXPECT_EQ(took.usage.loaded_slots, 0);
  EXPECT_EQ(took.adapter_fingerprints, std::vector<std::string>{""});
  ExpectTheTextAnswers(id);
  ExpectGistsAreRefused(id, "gist 4, full i8");
  EXPECT_EQ(server().pipeline.Get(id)->full_context_kv_bytes, 0);
}

TEST_F(OtherModelTest, WithoutItsTextNothingAnswers) {
  TempDir other;
  Harness source(other / "data", {});
  const std::string id = source.IdOf(text_);
  Start();
  ASSERT_THAT(server().pipeline.Import(source.pipeline.Export(id, true).value(),
                                       Caller()),
              IsOk());
  Start(Other());
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull, AskMode::kRag}) {
    const auto refused = AskIn(mode, id);
    EXPECT_THAT(refused, HasReason(Reason::kModelMismatch));
    EXPECT_THAT(std::string(Message(refused.status())),
                AllOf(HasSubstr("its text is not kept here"),
                      HasSubstr("`gist add FILE`")));
  }
}

TEST_F(OtherModelTest, TokensAreThoseOfTheModelThatAnswers) {
  Start();  // counts words
  const std::string id = Added(text_);
  const std::string long_id = Added(DocumentWith("ABC123", 200));
  HarnessOptions options = Other();
  options.engine.tokens = FakeEngineOptions::Tokens::kBytes;
  options.engine.max_context_tokens = 1000;
  options.engine.max_chunk_tokens = 1000;
  Start(std::move(options));
  AskResult took;
  EXPECT_THAT(AskIn(AskMode::kFull, id, &took), IsOk());
  EXPECT_EQ(took.usage.document_tokens, int64_t(text_.size()));
  EXPECT_EQ(took.usage.prefilled_tokens, int64_t(text_.size()));
  EXPECT_THAT(AskIn(AskMode::kFull, long_id),
              HasReason(Reason::kContextWindowExceeded));
  AskResult cut;
  EXPECT_THAT(server().Ask({.context_ids = {long_id},
                            .question = "Q",
                            .mode = AskMode::kFull,
                            .truncate = true},
                           &cut),
              IsOk());
  EXPECT_GT(cut.usage.truncated_tokens, 0);
}

TEST_F(OtherModelTest, CompressingTheTextMakesAContextOfThisModel) {
  Start();
  const std::string id = Added(text_);
  Start(Other());
  const std::string own = server().IdOf(text_);
  EXPECT_NE(own, id);
  EXPECT_EQ(*AskIn(AskMode::kGist, own), AnswerTo("ABC123", "Q"));
  EXPECT_EQ(server().pipeline.usage().contexts, 2);
  ExpectTheTextAnswers(id);
}

TEST_F(OtherModelTest, ATextAloneIsImported) {
  Start();
  const std::string id = Added(text_);
  const std::string file = server().pipeline.Export(id, false).value();
  TempDir folder;
  Harness target(folder / "data", Other());
  const auto imported = target.pipeline.Import(file, Caller());
  ASSERT_THAT(imported, IsOk());
  EXPECT_TRUE(imported->is_new);
  EXPECT_EQ(imported->context.record.context_id, id);
  EXPECT_EQ(imported->context.record.model_fingerprint,
            server().engine.model().fingerprint);
  EXPECT_EQ(*target.Ask(
                {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
            AnswerTo("ABC123", "Q"));
  EXPECT_THAT(
      target.Ask({.context_ids = {id}, .question = "Q", .mode = AskMode::kRag}),
      IsOk());
  const auto again = target.pipeline.Import(file, Caller());
  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->is_new);
}

TEST_F(OtherModelTest, RepresentationsAreNotImported) {
  Start();
  const std::string id = server().IdOf(text_);
  const std::string file = server().pipeline.Export(id, false).value();
  TempDir folder;
  Harness target(folder / "data", Other());
  EXPECT_THAT(target.pipeline.Import(file, Caller()),
              HasReason(Reason::kModelMismatch));
  EXPECT_EQ(target.pipeline.usage().contexts, 0);
}

}  // namespace
}  // namespace gist
