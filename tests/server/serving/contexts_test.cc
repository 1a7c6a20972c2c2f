#include <limits>
#include <string>
#include <vector>

#include "core/base/identity.h"
#include "storage/kv_codec.h"
#include "tests/server/harness.h"
#include "tests/support/read_file.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::HasSubstr;

using ContextsTest = PipelineTest;

TEST_F(ContextsTest, GetGivesWhatCompressGave) {
  Start();
  const auto made = server().Compress("text");
  const auto got = server().pipeline.Get(made->context.record.context_id);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->record, made->context.record);
  EXPECT_EQ(got->has_text, made->context.has_text);
}

TEST_F(ContextsTest, PagesHoldEveryContextOnceInOrder) {
  Start();
  for (int i = 0; i < 7; ++i) server().IdOf("text " + std::to_string(i));
  std::vector<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    const auto page = server().pipeline.List(3, token);
    ASSERT_THAT(page, IsOk());
    for (const auto& info : page->contexts) {
      ids.push_back(info.record.context_id);
    }
    token = page->next_page_token;
  } while (++pages < 9 && !token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(ids.size(), 7u);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
  EXPECT_EQ(server().pipeline.usage().contexts, 7);
}

TEST_F(ContextsTest, OddPagesAreRefused) {
  Start();
  EXPECT_THAT(
      server().pipeline.List(-1, ""),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("page_size is -1")));
  EXPECT_THAT(
      server().pipeline.List(1001, ""),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("page_size is 1001")));
  EXPECT_THAT(server().pipeline.List(10, "no token"),
              StatusIs(StatusCode::kInvalidArgument, _));
}

TEST_F(ContextsTest, DeletedContextsAreGone) {
  Start();
  const std::string id = server().IdOf("text");
  EXPECT_THAT(server().pipeline.Delete(id), IsOk());
  for (const absl::Status& status :
       {server().pipeline.Delete(id), server().pipeline.Get(id).status(),
        server().pipeline.Export(id, false).status(),
        server().Ask({.context_ids = {id}, .question = "Q"}).status()}) {
    EXPECT_THAT(status, StatusIs(StatusCode::kNotFound, HasSubstr(id)));
  }
}

class ImportTest : public PipelineTest {
 protected:
  // A file that a server like this one exported.
  std::string Exported(const std::string& text, bool without_text = false) {
    TempDir other;
    Harness source(other / "data", {});
    return source.pipeline.Export(source.IdOf(text), without_text).value();
  }
  absl::StatusOr<ImportResult> Import(const std::string& file) {
    return server().pipeline.Import(file, Caller());
  }
  // The file with something changed, and its checksums right again.
  template <typename Change>
  std::string Changed(const std::string& file, Change change) {
    KvBlob blob = DecodeKvBlob(file).value();
    change(blob);
    return EncodeKvBlob(blob).value();
  }
};

// Every fact in the gists becomes X.
void Poison(KvBlob& blob) {
  GistKv gists = ToDense(blob.kv.front());
  for (float& key : gists.keys) key = 'X';
  blob.kv.front() = FromDense(gists);
}

// So that a record whose ids were changed is consistent in itself.
void Rename(ContextRecord& record) {
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
}

TEST_F(ImportTest, AnswersAsTheSourceDid) {
  Start();
  const auto imported = Import(Exported(DocumentWith("ABC123")));
  ASSERT_THAT(imported, IsOk());
  EXPECT_TRUE(imported->is_new);
  EXPECT_TRUE(imported->context.representation.imported);
  EXPECT_TRUE(imported->context.has_text);
  const std::string id = imported->context.record.context_id;
  for (const AskMode mode : {AskMode::kGist, AskMode::kFull}) {
    EXPECT_EQ(
        *server().Ask({.context_ids = {id}, .question = "Q", .mode = mode}),
        AnswerTo("ABC123", "Q"));
  }
  EXPECT_EQ(counts().gist_passes, 0);
}

TEST_F(ImportTest, WithoutTextOnlyTheGistsAnswer) {
  Start();
  const auto imported = Import(Exported(DocumentWith("ABC123"), true));
  ASSERT_THAT(imported, IsOk());
  EXPECT_FALSE(imported->context.has_text);
  const std::string id = imported->context.record.context_id;
  EXPECT_EQ(*server().Ask({.context_ids = {id}, .question = "Q"}),
            AnswerTo("ABC123", "Q"));
  EXPECT_THAT(
      server().Ask(
          {.context_ids = {id}, .question = "Q", .mode = AskMode::kFull}),
      StatusIs(StatusCode::kFailedPrecondition,
               HasSubstr("text is not kept here; store it")));
}

TEST_F(ImportTest, WhatIsComputedHereIsNeverReplaced) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto made = server().Compress(text);
  const auto imported =
      Import(Changed(Exported(text), [](KvBlob& blob) { Poison(blob); }));
  ASSERT_THAT(imported, IsOk());
  EXPECT_FALSE(imported->is_new);
  EXPECT_EQ(imported->context.record, made->context.record);
  EXPECT_EQ(*server().Ask({.context_ids = {made->context.record.context_id},
                           .question = "Q"}),
            AnswerTo("ABC123", "Q"));
}

TEST_F(ImportTest, WhatWasImportedIsComputedWhenTheTextComes) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto poisoned =
      Import(Changed(Exported(text), [](KvBlob& blob) { Poison(blob); }));
  ASSERT_THAT(poisoned, IsOk());
  const auto made = server().Compress(text);
  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(made->cached);
  EXPECT_FALSE(made->is_new);
  EXPECT_FALSE(made->context.representation.imported);
  EXPECT_EQ(made->context.record.context_id,
            poisoned->context.record.context_id);
  EXPECT_EQ(*server().Ask({.context_ids = {made->context.record.context_id},
                           .question = "Q"}),
            AnswerTo("ABC123", "Q"));
}

TEST_F(ImportTest, AnotherTextUnderADocumentsIdIsRefused) {
  Start();
  const std::string file = Exported(DocumentWith("ABC123"));
  EXPECT_THAT(Import(Changed(file,
                             [](KvBlob& blob) {
                               blob.text.replace(blob.text.find("ABC123"), 6,
                                                 "EVIL66");
                             })),
              StatusIs(StatusCode::kDataLoss, HasSubstr("document id")));
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

TEST_F(ImportTest, AWrongTokenCountIsRefused) {
  Start();
  EXPECT_THAT(
      Import(Changed(Exported("some text"),
                     [](KvBlob& blob) { blob.record.document_tokens = 9; })),
      StatusIs(StatusCode::kDataLoss,
               HasSubstr("has 2 tokens, its record says 9")));
}

TEST_F(ImportTest, AnotherModelsFileIsRefused) {
  HarnessOptions other;
  other.engine.model_seed = "other";
  const std::string file = Exported("text");
  Start(other);
  EXPECT_THAT(Import(file), StatusIs(StatusCode::kFailedPrecondition, _));
}

TEST_F(ImportTest, AnotherVersionOfTheMethodIsRefused) {
  Start();
  const std::string file = Exported(DocumentWith("ABC123"));
  EXPECT_THAT(Import(Changed(file,
                             [](KvBlob& blob) {
                               auto& form = blob.record.representations[0];
                               form.method_version = 2;
                             })),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("was made by version 2 of its method")));
}

TEST_F(ImportTest, GistsOfAnotherShapeAreRefused) {
  Start();
  EXPECT_THAT(Import(Changed(Exported("text", true),
                             [](KvBlob& blob) {
                               GistKv gists = ToDense(blob.kv[0]);
                               gists.layers = 1;
                               gists.keys.resize(gists.Elements());
                               gists.values.resize(gists.Elements());
                               blob.kv[0] = FromDense(gists);
                             })),
              StatusIs(StatusCode::kDataLoss, HasSubstr("have 1 layers")));
}

TEST_F(ImportTest, AnOlderAdaptersFileStaysUsable) {
  Start();
  const auto imported =
      Import(Changed(Exported(DocumentWith("ABC123")), [](KvBlob& blob) {
        blob.record.representations[0].adapter_fingerprint =
            Sha256Hex("an older adapter");
        Rename(blob.record);
      }));
  ASSERT_THAT(imported, IsOk());
  EXPECT_EQ(*server().Ask({.context_ids = {imported->context.record.context_id},
                           .question = "Q"}),
            AnswerTo("ABC123", "Q"));
}

TEST_F(ImportTest, EveryDamageIsRefusedAndNothingIsKept) {
  Start();
  const std::string file = Exported("some text");
  for (size_t size = 0; size < file.size(); size += 7) {
    EXPECT_THAT(Import(file.substr(0, size)),
                StatusIs(StatusCode::kDataLoss, _));
  }
  for (size_t at = 0; at < file.size(); at += 7) {
    std::string flipped = file;
    flipped[at] ^= 4;
    EXPECT_THAT(Import(flipped), StatusIs(StatusCode::kDataLoss, _)) << at;
  }
  EXPECT_EQ(server().pipeline.usage().contexts, 0);
}

TEST_F(ImportTest, LimitsHoldForImportsToo) {
  const std::string file = Exported(DocumentWith("ABC123"));
  HarnessOptions options;
  options.limits.max_document_bytes = 100;
  Start(options);
  EXPECT_THAT(Import(file),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("is 100")));
  const std::string huge(size_t(server().pipeline.max_import_bytes()) + 1, 'x');
  EXPECT_THAT(Import(huge), StatusIs(StatusCode::kResourceExhausted, _));
}

TEST_F(ImportTest, ExportOfAnImportGivesTheSameGists) {
  Start();
  const std::string file = Exported("text");
  const auto imported = Import(file);
  const auto again =
      server().pipeline.Export(imported->context.record.context_id, false);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(DecodeKvBlob(*again)->kv, DecodeKvBlob(file)->kv);
  EXPECT_EQ(DecodeKvBlob(*again)->text, "text");
}

TEST_F(ImportTest, AFileCarriesAllRepresentations) {
  std::string file;
  {
    TempDir other;
    Harness source(other / "data", {});
    const std::string id = source.IdOf(DocumentWith("ABC123"), 2);
    EXPECT_EQ(source.IdOf(DocumentWith("ABC123"), 6), id);
    file = source.pipeline.Export(id, false).value();
  }
  Start();
  const auto imported = Import(file);
  ASSERT_THAT(imported, IsOk());
  const auto& forms = imported->context.record.representations;
  ASSERT_EQ(forms.size(), 2u);
  for (const Representation& form : forms) {
    AskResult took;
    EXPECT_EQ(
        *server().Ask({.context_ids = {imported->context.record.context_id},
                       .question = "Q",
                       .gist_tokens = form.gist_tokens},
                      &took),
        AnswerTo("ABC123", "Q"));
    EXPECT_EQ(took.usage.loaded_slots, form.gist_tokens);
  }
  EXPECT_EQ(counts().gist_passes, 0);
}

// Exports of version 1 that lie with users, with and without their text.
TEST_F(ImportTest, ExportsOfVersion1StayUsable) {
  for (const char* const name : {"version1", "version1_without_text"}) {
    Start();
    const auto imported = Import(ReadFile(
        fmt::format("tests/server/serving/data/{}.safetensors", name)));
    ASSERT_THAT(imported, IsOk());
    EXPECT_TRUE(imported->is_new);
    const ContextRecord& record = imported->context.record;
    EXPECT_EQ(record.context_id,
              ContextId(record.document_id, record.model_fingerprint));
    EXPECT_EQ(
        *server().Ask({.context_ids = {record.context_id}, .question = "Q"}),
        AnswerTo("ABC123", "Q"));
    ASSERT_THAT(server().pipeline.Delete(record.context_id), IsOk());
  }
}

// A context that a gistd before database version 3 made.
class OldContextTest : public PipelineTest {
 protected:
  void SetUp() override {
    Start();
    KvBlob blob =
        DecodeKvBlob(ReadFile("tests/server/serving/data/version1.safetensors"))
            .value();
    ASSERT_THAT(server().store->Put(blob.record, blob.text, blob.kv.front()),
                IsOk());
    id_ = blob.record.context_id;
    text_ = blob.text;
  }
  std::string id_, text_;
};

TEST_F(OldContextTest, ItsIdResolvesInEveryCall) {
  EXPECT_EQ(id_, "ctx_def49210c720601842200586d7b68090");
  for (const AskMode mode :
       {AskMode::kGist, AskMode::kFull, AskMode::kRag, AskMode::kHybrid}) {
    EXPECT_THAT(
        server().Ask({.context_ids = {id_}, .question = "Q", .mode = mode}),
        IsOk());
  }
  EXPECT_EQ(server().pipeline.Get(id_)->record.context_id, id_);
  EXPECT_EQ(server().pipeline.List(10, "")->contexts.size(), 1u);
  const auto updated = server().pipeline.Update(id_, {.pinned = true});
  ASSERT_THAT(updated, IsOk());
  EXPECT_TRUE(updated->retention.pinned);
  const auto file = server().pipeline.Export(id_, false);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(
      server().pipeline.Import(*file, Caller())->context.record.context_id, id_)
      << "computed here: it stays";
  EXPECT_THAT(server().pipeline.Delete(id_), IsOk());
  EXPECT_EQ(server().pipeline.usage().bytes, 0);
  const auto imported = server().pipeline.Import(*file, Caller());
  ASSERT_THAT(imported, IsOk());
  EXPECT_NE(imported->context.record.context_id, id_);
}

TEST_F(OldContextTest, TheSameCompressionIsFoundThere) {
  const auto same = server().Compress(text_);
  ASSERT_THAT(same, IsOk());
  EXPECT_TRUE(same->cached);
  EXPECT_EQ(same->context.record.context_id, id_);
  EXPECT_EQ(counts().gist_passes, 0);
  const auto other = server().Compress(text_, 6);
  ASSERT_THAT(other, IsOk());
  EXPECT_NE(other->context.record.context_id, id_);
  EXPECT_EQ(server().pipeline.usage().contexts, 2);
  EXPECT_TRUE(server().Compress(text_)->cached) << "still under the old id";
}

}  // namespace
}  // namespace gist
