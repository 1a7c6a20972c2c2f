// Texts that are stored and not computed, and what is later made of them.
#include <span>
#include <string>
#include <vector>

#include "core/base/identity.h"
#include "server/contexts/backup.h"
#include "server/support/errors.h"
#include "tests/server/harness.h"
#include "tests/storage/raw_database.h"

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

class AddTest : public PipelineTest {
 protected:
  absl::StatusOr<AddResult> Add(const AddInput& input,
                                const std::string& tenant = "") {
    Caller caller;
    caller.principal.tenant = tenant;
    return server().pipeline.Add(input, caller);
  }
  std::string Added(const std::string& text) {
    const auto result = Add({.text = text});
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context.record.context_id : "";
  }
  absl::StatusOr<std::string> AskIn(AskMode mode, const std::string& id) {
    return server().Ask({.context_ids = {id}, .question = "Q", .mode = mode});
  }
  HarnessOptions Bounded(int64_t max_bytes) {
    HarnessOptions options;
    options.limits.max_document_bytes = max_bytes;
    return options;
  }

  const std::string text_ = DocumentWith("ABC123");
};

TEST_F(AddTest, StoresTheTextAndRunsNoModel) {
  Start();
  const auto result = Add({.text = text_});
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->is_new);
  EXPECT_FALSE(result->cached);
  const ContextRecord& record = result->context.record;
  EXPECT_EQ(record.document_id, DocumentId("", text_));
  EXPECT_EQ(record.context_id,
            ContextId(record.document_id, record.model_fingerprint));
  EXPECT_EQ(record.document_bytes, int64_t(text_.size()));
  EXPECT_EQ(record.document_tokens, 46);
  EXPECT_TRUE(record.representations.empty());
  EXPECT_EQ(record.created_unix_ms, server().clock.UnixMillis());
  EXPECT_TRUE(result->context.has_text);
  EXPECT_EQ(result->context.representation.kv_slots, 0);
  EXPECT_GT(result->timings.store_seconds, 0);
  EXPECT_EQ(counts().prefills, 0);
  EXPECT_EQ(counts().live_sequences, 0);
  EXPECT_EQ(server().pipeline.usage().contexts, 1);
  EXPECT_EQ(server().pipeline.usage().bytes, int64_t(text_.size()));
  EXPECT_EQ(server().pipeline.Get(record.context_id)->record, record);
  EXPECT_EQ(server().pipeline.List(0, "")->contexts.size(), 1u);
}

TEST_F(AddTest, FullTextAndPassagesAnswerAndGistsDoNot) {
  Start();
  const std::string id = Added(text_);
  EXPECT_EQ(*AskIn(AskMode::kFull, id), AnswerTo("ABC123", "Q"));
  AskResult took;
  EXPECT_THAT(server().Ask({.context_ids = {id},
                            .question = "secret passkey",
                            .mode = AskMode::kRag},
                           &took),
              IsOk());
  EXPECT_EQ(took.indexed_documents, 1);
  EXPECT_FALSE(took.chunks.empty());
  EXPECT_THAT(server().Ask({.all_documents = true,
                            .question = "secret passkey",
                            .mode = AskMode::kRag}),
              IsOk());
  for (const AskMode mode : {AskMode::kGist, AskMode::kHybrid}) {
    const auto refused = AskIn(mode, id);
    EXPECT_THAT(refused, HasReason(Reason::kRepresentationMissing));
    EXPECT_THAT(
        refused.status().message(),
        AllOf(HasSubstr("its text alone"), HasSubstr("`gist compress FILE`")));
  }
}

TEST_F(AddTest, TheSameTextIsStoredOnce) {
  Start();
  const std::string id = Added(text_);
  const auto again = Add({.text = text_});
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->cached);
  EXPECT_FALSE(again->is_new);
  EXPECT_EQ(again->context.record.context_id, id);
  EXPECT_EQ(server().pipeline.usage().contexts, 1);
  EXPECT_EQ(again->timings.store_seconds, 0);
}

TEST_F(AddTest, CompressingLaterAddsToTheSameContext) {
  Start();
  const std::string id = Added(text_);
  server().clock.Advance(5000);
  const auto gists = server().Compress(text_);
  ASSERT_THAT(gists, IsOk());
  EXPECT_FALSE(gists->cached);
  EXPECT_FALSE(gists->is_new);
  EXPECT_EQ(gists->context.record.context_id, id);
  EXPECT_EQ(gists->context.record.created_unix_ms,
            server().clock.UnixMillis() - 5000);
  EXPECT_EQ(gists->context.representation.gist_tokens, 4);
  const auto full = server().pipeline.Compress(
      {.text = text_, .rung = Rung::kFull}, Caller());
  ASSERT_THAT(full, IsOk());
  EXPECT_EQ(full->context.record.context_id, id);
  EXPECT_EQ(full->context.record.representations.size(), 2u);
  EXPECT_EQ(*AskIn(AskMode::kGist, id), AnswerTo("ABC123", "Q"));
  EXPECT_EQ(server().pipeline.usage().contexts, 1);
  // Adding it again takes nothing away.
  const auto again = Add({.text = text_});
  EXPECT_TRUE(again->cached);
  EXPECT_EQ(again->context.record.representations.size(), 2u);
}

TEST_F(AddTest, AMissingNumberOfGistsNamesItsCommand) {
  Start();
  const std::string id = server().IdOf(text_);
  const auto refused =
      server().Ask({.context_ids = {id}, .question = "Q", .gist_tokens = 6});
  EXPECT_THAT(refused, HasReason(Reason::kRepresentationMissing));
  EXPECT_THAT(refused.status().message(),
              AllOf(HasSubstr("it holds gist 4"),
                    HasSubstr("`gist compress --gists 6 FILE`")));
}

TEST_F(AddTest, IsThereAfterARestart) {
  Start();
  const std::string id = Added(text_);
  Start();
  EXPECT_EQ(*AskIn(AskMode::kFull, id), AnswerTo("ABC123", "Q"));
  EXPECT_TRUE(Add({.text = text_})->cached);
  EXPECT_EQ(server().pipeline.usage().bytes, int64_t(text_.size()));
}

TEST_F(AddTest, WhatIsNoDocumentIsRefusedAsByCompress) {
  HarnessOptions options = Bounded(100);
  options.limits.max_document_tokens = 9;
  Start(std::move(options));
  EXPECT_THAT(Add({.text = ""}), HasReason(Reason::kRequestInvalid));
  EXPECT_THAT(Add({.text = "a\xff"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("offset 1")));
  EXPECT_THAT(Add({.text = std::string(101, 'a')}),
              HasReason(Reason::kDocumentTooLarge));
  EXPECT_THAT(
      Add({.text = "a a a a a a a a a a "}),
      AllOf(HasReason(Reason::kDocumentTooLarge),
            StatusIs(StatusCode::kResourceExhausted, HasSubstr("10 tokens"))));
  EXPECT_THAT(Add({.text = "a", .retention = {.ttl_seconds = -1}}),
              HasReason(Reason::kRequestInvalid));
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

// The limit is known to be passed long before the last token.
TEST_F(AddTest, ALongTextIsRefusedByItsBeginning) {
  HarnessOptions options;
  options.limits.max_document_tokens = 1000;
  Start(std::move(options));
  const std::string text = DocumentWith("ABC123", 8'000);
  for (const absl::Status& refused :
       {Add({.text = text}).status(), server().Compress(text).status()}) {
    EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted,
                                  AllOf(HasSubstr(" tokens in the first "),
                                        HasSubstr(", the limit is 1000; "))));
    EXPECT_EQ(DetailsOf(refused).reason, Reason::kDocumentTooLarge);
  }
}

// White space of some megabytes is one word, which takes minutes.
TEST_F(AddTest, ATextOfTooManyBytesForItsTokensIsRefusedUnread) {
  HarnessOptions options;
  options.limits.max_document_tokens = 1000;
  Start(std::move(options));
  const std::string most(64 * 1000 - 1, 'a');  // one word
  EXPECT_THAT(Add({.text = most}), IsOk());
  for (const absl::Status& refused : {Add({.text = most + "a"}).status(),
                                      server().Compress(most + "a").status()}) {
    EXPECT_THAT(refused,
                StatusIs(StatusCode::kResourceExhausted,
                         AllOf(HasSubstr("has 64000 bytes, 64 or more for "
                                         "each token of the limit"),
                               HasSubstr(", the limit is 1000; "))));
    EXPECT_EQ(DetailsOf(refused).reason, Reason::kDocumentTooLarge);
  }
}

TEST_F(AddTest, ExpiresIsPinnedAndEvicted) {
  HarnessOptions options;
  options.keeper.max_contexts = 2;
  Start(std::move(options));
  const auto brief = Add({.text = "brief", .retention = {.ttl_seconds = 60}});
  EXPECT_EQ(brief->context.retention.expire_unix_ms,
            server().clock.UnixMillis() + 60'000);
  // A repeat with a retention of its own changes it.
  const auto longer = Add({.text = "brief", .retention = {.ttl_seconds = 600}});
  EXPECT_TRUE(longer->cached);
  EXPECT_EQ(longer->context.retention.expire_unix_ms,
            server().clock.UnixMillis() + 600'000);
  ASSERT_THAT(Add({.text = "kept", .retention = {.pinned = true}}), IsOk());
  server().clock.Advance(120'000);
  const auto third = Add({.text = "third"});
  ASSERT_THAT(third, IsOk());
  EXPECT_THAT(server().pipeline.Get(brief->context.record.context_id),
              StatusIs(StatusCode::kNotFound, _));
  ASSERT_THAT(Add({.text = "third", .retention = {.pinned = true}}), IsOk());
  EXPECT_THAT(Add({.text = "fourth"}), HasReason(Reason::kStoreFull));
}

TEST_F(AddTest, TenantsShareNothing) {
  Start();
  const std::string id = Added(text_);
  const auto theirs = Add({.text = text_}, "acme");
  ASSERT_THAT(theirs, IsOk());
  EXPECT_TRUE(theirs->is_new);
  EXPECT_NE(theirs->context.record.context_id, id);
  EXPECT_THAT(server().pipeline.Get(id, "acme"),
              StatusIs(StatusCode::kNotFound, _));
}

TEST_F(AddTest, AnotherRequestUnderTheSameIdIsRefused) {
  Start();
  const auto first = Add({.text = text_, .request_id = "r1"});
  ASSERT_THAT(first, IsOk());
  const auto repeat = Add({.text = text_, .request_id = "r1"});
  ASSERT_THAT(repeat, IsOk());
  EXPECT_TRUE(repeat->cached);
  EXPECT_EQ(repeat->context.record.context_id,
            first->context.record.context_id);
  EXPECT_THAT(Add({.text = "other", .request_id = "r1"}),
              HasReason(Reason::kRequestIdReused));
  EXPECT_THAT(server().pipeline.Compress({text_, 0, "r1"}, Caller()),
              HasReason(Reason::kRequestIdReused));
  EXPECT_THAT(Add({.text = "other", .request_id = "r1"}, "acme"), IsOk());
  // A failed call leaves its id free.
  EXPECT_THAT(Add({.text = "", .request_id = "r2"}),
              HasReason(Reason::kRequestInvalid));
  EXPECT_THAT(Add({.text = "other", .request_id = "r2"}), IsOk());
}

TEST_F(AddTest, IsExportedWithItsTextAndImported) {
  Start();
  const std::string id = Added(text_);
  EXPECT_THAT(
      server().pipeline.Export(id, /*without_text=*/true),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("nothing to export")));
  const auto file = server().pipeline.Export(id, /*without_text=*/false);
  ASSERT_THAT(file, IsOk());
  TempDir other;
  Harness target(other / "data", {});
  const auto imported = target.pipeline.Import(*file, Caller());
  ASSERT_THAT(imported, IsOk());
  EXPECT_TRUE(imported->is_new);
  EXPECT_EQ(imported->context.record.context_id, id);
  EXPECT_TRUE(imported->context.has_text);
  EXPECT_EQ(*target.Ask(
                {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
            AnswerTo("ABC123", "Q"));
  const auto again = target.pipeline.Import(*file, Caller());
  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->is_new);
}

TEST_F(AddTest, GivesATextToAContextThatCameWithoutOne) {
  TempDir other;
  Harness source(other / "data", {});
  const std::string id = source.IdOf(text_);
  Start();
  ASSERT_THAT(server().pipeline.Import(source.pipeline.Export(id, true).value(),
                                       Caller()),
              IsOk());
  EXPECT_THAT(AskIn(AskMode::kFull, id), HasReason(Reason::kTextNotKept));
  const auto added = Add({.text = text_});
  ASSERT_THAT(added, IsOk());
  EXPECT_FALSE(added->cached);
  EXPECT_FALSE(added->is_new);
  EXPECT_EQ(added->context.record.context_id, id);
  EXPECT_EQ(*AskIn(AskMode::kFull, id), AnswerTo("ABC123", "Q"));
  EXPECT_EQ(*AskIn(AskMode::kGist, id), AnswerTo("ABC123", "Q"));
}

TEST_F(AddTest, IsInABackup) {
  Start();
  const std::string id = Added(text_);
  TempDir out;
  BackupFolder backups(
      *server().store,
      {.folder = out / "backups", .data_folder = folder(), .max_backups = 3});
  const auto backup = backups.Create();
  ASSERT_THAT(backup, IsOk());
  const auto restored =
      RestoreBackup(out / ("backups/" + backup->name), out / "data");
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(*restored, 1);
  Harness target(out / "data", {});
  EXPECT_EQ(*target.Ask(
                {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
            AnswerTo("ABC123", "Q"));
}

TEST_F(AddTest, DeletedItIsGoneFromTheFiles) {
  Start();
  const std::string id = Added(text_);
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  EXPECT_THAT(AskIn(AskMode::kFull, id), StatusIs(StatusCode::kNotFound, _));
  EXPECT_EQ(server().pipeline.usage().bytes, 0);
  ASSERT_THAT(server().store->EraseDeleted(), IsOk());
  Stop();
  EXPECT_THAT(RawDatabase(folder()).Keys(),
              testing::ElementsAre("default: format_version"));
}

// Without an adapter: full text and passages, and no gists.
class NoAdapterTest : public AddTest {
 protected:
  void SetUp() override {
    HarnessOptions options;
    options.engine.has_adapter = false;
    Start(std::move(options));
  }
};

TEST_F(NoAdapterTest, TextsAnswerAndGistsNameTheTraining) {
  const std::string id = Added(text_);
  EXPECT_EQ(*AskIn(AskMode::kFull, id), AnswerTo("ABC123", "Q"));
  EXPECT_THAT(AskIn(AskMode::kRag, id), IsOk());
  for (const absl::Status& refused : {AskIn(AskMode::kGist, id).status(),
                                      AskIn(AskMode::kHybrid, id).status(),
                                      server().Compress(text_).status()}) {
    EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr("fake model"),
                                        HasSubstr("gist train --preset"))));
    EXPECT_EQ(DetailsOf(refused).reason, Reason::kNoGistAdapter);
  }
}

TEST_F(NoAdapterTest, TheFullRungNeedsNone) {
  const auto made = server().pipeline.Compress(
      {.text = text_, .rung = Rung::kFull}, Caller());
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(*AskIn(AskMode::kFull, made->context.record.context_id),
            AnswerTo("ABC123", "Q"));
}

TEST_F(NoAdapterTest, GistsThatAreThereStillAnswer) {
  Start();  // with one
  const std::string id = server().IdOf(text_);
  SetUp();
  EXPECT_EQ(*AskIn(AskMode::kGist, id), AnswerTo("ABC123", "Q"));
}

}  // namespace
}  // namespace gist
