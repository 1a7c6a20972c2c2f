// Databases that older revisions wrote, opened by this one. fixtures/README.md
// tells how they were made.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/retrieval/chunk_index.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class OldFormatsTest : public testing::Test {
 protected:
  OldFormatsTest() {
    fs::copy("tests/storage/fixtures/version1", folder(),
             fs::copy_options::recursive);
  }
  std::string folder() const { return dir_ / "data"; }

  // What tests/storage/make_fixture.cc wrote.
  void ExpectAllThere(const GistStore& store, bool with_index) {
    EXPECT_EQ(store.List(10, "")->records.size(), 3u);
    for (const ContextRecord& record :
         {SampleRecord(kSampleText, 2), SampleRecord(kSampleText, 3),
          SampleRecord("gists alone", 2)}) {
      const auto found = store.GetRecord(record.context_id);
      ASSERT_THAT(found, IsOk());
      EXPECT_TRUE(*found == record);
      EXPECT_TRUE(store.GetGists(record).value() ==
                  SampleGists(record.gist_tokens));
      const auto stored = store.Find(record.context_id);
      ASSERT_THAT(stored, IsOk());
      EXPECT_EQ(stored->retention, Retention()) << "kept for ever";
      EXPECT_EQ(stored->used_unix_ms, record.created_unix_ms);
    }
    const std::string document = SampleRecord().document_id;
    EXPECT_EQ(store.GetText(document).value(), kSampleText);
    EXPECT_FALSE(
        store.HasText(SampleRecord("gists alone").document_id).value());
    const auto index = store.GetChunkIndex(document);
    if (!with_index) {
      EXPECT_THAT(index, StatusIs(StatusCode::kNotFound, HasSubstr("index")));
      return;
    }
    ASSERT_THAT(index, IsOk());
    EXPECT_THAT(DecodeChunkIndex(*index), IsOk());
    EXPECT_EQ(store.Find(SampleRecord().context_id)->index_bytes,
              int64_t(index->size()) + 9);
  }

  TempDir dir_;
};

TEST_F(OldFormatsTest, Version1IsReadWholeAndBecomesVersion2) {
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
    ExpectAllThere(**store, /*with_index=*/true);
  }
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "2");
}

TEST_F(OldFormatsTest, Version1FromBeforeThereWereChunkIndexes) {
  RawDatabase(folder()).DropFamily("chunk_indexes");
  const auto store = OpenGistStore(folder());
  ASSERT_THAT(store, IsOk());
  ExpectAllThere(**store, /*with_index=*/false);
}

TEST_F(OldFormatsTest, AMigrationThatWasCutShortIsDoneAgain) {
  {
    const auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
  }
  {
    RawDatabase raw(folder());
    const std::string mark = SampleRecord().document_id + "/chunks";
    EXPECT_THAT(raw.Keys(), Contains("document_index: " + mark));
    raw.Put("default", "format_version", "1");
    raw.Put("document_index", mark, "");
  }
  const auto store = OpenGistStore(folder());
  ASSERT_THAT(store, IsOk());
  ExpectAllThere(**store, /*with_index=*/true);
}

TEST_F(OldFormatsTest, ANewerFormatIsRefusedAndLeftAsItIs) {
  {
    RawDatabase raw(folder());
    raw.Put("default", "format_version", "3");
    raw.AddFamily("of the future");
  }
  EXPECT_THAT(OpenGistStore(folder()),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("format version 3, supported is 2"),
                             HasSubstr("update gistd"))));
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "3");
}

}  // namespace
}  // namespace gist
