#include <limits>
#include <string>
#include <vector>

#include "core/base/identity.h"
#include "storage/kv_codec.h"
#include "tests/server/harness.h"

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
    GistBlob blob = DecodeGistBlob(file).value();
    change(blob);
    return EncodeGistBlob(blob).value();
  }
};

// So that a record whose ids were changed is consistent in itself.
void Rename(ContextRecord& record) {
  record.context_id = ContextId(record.document_id, record.model_fingerprint,
                                record.adapter_fingerprint, record.gist_tokens);
}

TEST_F(ImportTest, AnswersAsTheSourceDid) {
  Start();
  const auto imported = Import(Exported(DocumentWith("ABC123")));
  ASSERT_THAT(imported, IsOk());
  EXPECT_TRUE(imported->is_new);
  EXPECT_TRUE(imported->context.record.imported);
  EXPECT_TRUE(imported->context.has_text);
  const std::string id = imported->context.record.context_id;
  for (const AskMode mode : {AskMode::kGist, AskMode::kFullContext}) {
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
  EXPECT_THAT(server().Ask({.context_ids = {id},
                            .question = "Q",
                            .mode = AskMode::kFullContext}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("text is not kept here; compress")));
}

TEST_F(ImportTest, WhatIsComputedHereIsNeverReplaced) {
  Start();
  const std::string text = DocumentWith("ABC123");
  const auto made = server().Compress(text);
  const auto imported = Import(Changed(Exported(text), [](GistBlob& blob) {
    for (float& key : blob.gists.keys) key = 'X';
  }));
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
  const auto poisoned = Import(Changed(Exported(text), [](GistBlob& blob) {
    for (float& key : blob.gists.keys) key = 'X';
  }));
  ASSERT_THAT(poisoned, IsOk());
  const auto made = server().Compress(text);
  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(made->cached);
  EXPECT_FALSE(made->is_new);
  EXPECT_FALSE(made->context.record.imported);
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
                             [](GistBlob& blob) {
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
                     [](GistBlob& blob) { blob.record.document_tokens = 9; })),
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

TEST_F(ImportTest, GistsOfAnotherShapeAreRefused) {
  Start();
  EXPECT_THAT(Import(Changed(Exported("text", true),
                             [](GistBlob& blob) {
                               blob.gists.layers = 1;
                               blob.gists.keys.resize(blob.gists.Elements());
                               blob.gists.values.resize(blob.gists.Elements());
                             })),
              StatusIs(StatusCode::kDataLoss, HasSubstr("have 1 layers")));
}

TEST_F(ImportTest, AnOlderAdaptersFileStaysUsable) {
  Start();
  const auto imported =
      Import(Changed(Exported(DocumentWith("ABC123")), [](GistBlob& blob) {
        blob.record.adapter_fingerprint = Sha256Hex("an older adapter");
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
  EXPECT_EQ(DecodeGistBlob(*again)->gists, DecodeGistBlob(file)->gists);
  EXPECT_EQ(DecodeGistBlob(*again)->text, "text");
}

}  // namespace
}  // namespace gist
