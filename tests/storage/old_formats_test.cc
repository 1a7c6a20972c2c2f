// Databases that older revisions wrote, opened by this one. fixtures/README.md
// tells how they were made.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

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

constexpr Retention kRetention{.expire_unix_ms = 4'000'000'000'000,
                               .pinned = true};

class OldFormatsTest : public testing::Test {
 protected:
  void Take(const std::string& version) {
    fs::copy("tests/storage/fixtures/" + version, folder(),
             fs::copy_options::recursive);
  }
  std::string folder() const { return dir_ / "data"; }

  // What tests/storage/make_fixture.cc wrote.
  void ExpectAllThere(const GistStore& store, bool with_index,
                      bool with_uses = false) {
    EXPECT_EQ(store.List(10, "")->records.size(), 3u);
    for (const ContextRecord& record :
         {OldSampleRecord(kSampleText, 2), OldSampleRecord(kSampleText, 3),
          OldSampleRecord("gists alone", 2)}) {
      const auto found = store.GetRecord(record.context_id);
      ASSERT_THAT(found, IsOk());
      EXPECT_TRUE(*found == record);
      const Representation& form = record.representations.front();
      EXPECT_TRUE(store.GetKv(record, form).value() ==
                  SampleGists(form.gist_tokens));
      const auto stored = store.Find(record.context_id);
      ASSERT_THAT(stored, IsOk());
      const bool used = with_uses && form.gist_tokens == 3;
      EXPECT_EQ(stored->retention, used ? kRetention : Retention());
      EXPECT_EQ(stored->used_unix_ms,
                used ? 1'800'000'000'456 : record.created_unix_ms);
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
    EXPECT_EQ(store.Find(OldSampleRecord().context_id)->index_bytes,
              int64_t(index->size()) + 9);
  }

  TempDir dir_;
};

TEST_F(OldFormatsTest, Version1IsReadWholeAndBecomesVersion4) {
  Take("version1");
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
    ExpectAllThere(**store, /*with_index=*/true);
  }
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "4");
}

TEST_F(OldFormatsTest, Version2IsReadWholeAndBecomesVersion4) {
  Take("version2");
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
    ExpectAllThere(**store, /*with_index=*/true, /*with_uses=*/true);
  }
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "4");
}

TEST_F(OldFormatsTest, Version3IsReadWholeAndBecomesVersion4) {
  Take("version3");
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = OpenGistStore(folder()).value();
    EXPECT_EQ(store->List(10, "")->records.size(), 2u);
    const ContextRecord record = SampleRecord();
    const auto found = store->GetRecord(record.context_id);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->representations,
              (std::vector<Representation>{SampleGistForm(2), SampleGistForm(3),
                                           SampleFullForm()}));
    EXPECT_EQ(store->GetKv(*found, SampleGistForm(3)).value(), SampleGists(3));
    EXPECT_EQ(store->GetKv(*found, SampleFullForm()).value(), SampleFull());
    EXPECT_EQ(store->GetText(record.document_id).value(), kSampleText);
    EXPECT_THAT(store->GetChunkIndex(record.document_id), IsOk());
    EXPECT_EQ(store->Find(record.context_id)->used_unix_ms, 1'800'000'000'456);
  }
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "4");
}

// Contexts with old ids stay beside a new one of the same document.
TEST_F(OldFormatsTest, OldContextsCanBeDeletedBesideNewOnes) {
  Take("version2");
  auto store = OpenGistStore(folder()).value();
  const ContextRecord added = SampleRecord(kSampleText, 3);
  ASSERT_THAT(store->Put(added, kSampleText, SampleGists(3)), IsOk());
  EXPECT_EQ(store->List(10, "")->records.size(), 4u);
  for (const ContextRecord& old :
       {OldSampleRecord(kSampleText, 2), OldSampleRecord(kSampleText, 3),
        OldSampleRecord("gists alone", 2)}) {
    EXPECT_THAT(store->Delete(old.context_id), IsOk());
    EXPECT_THAT(store->GetKv(old, old.representations.front()),
                StatusIs(StatusCode::kNotFound, HasSubstr(old.context_id)));
  }
  EXPECT_THAT(store->GetKv(added, added.representations.front()), IsOk());
  EXPECT_EQ(store->GetText(added.document_id).value(), kSampleText);
  ASSERT_THAT(store->Delete(added.context_id), IsOk());
  ASSERT_THAT(store->EraseDeleted(), IsOk());
  store.reset();
  EXPECT_THAT(RawDatabase(folder()).Keys(),
              testing::ElementsAre("default: format_version"));
}

TEST_F(OldFormatsTest, Version1FromBeforeThereWereChunkIndexes) {
  Take("version1");
  RawDatabase(folder()).DropFamily("chunk_indexes");
  const auto store = OpenGistStore(folder());
  ASSERT_THAT(store, IsOk());
  ExpectAllThere(**store, /*with_index=*/false);
}

TEST_F(OldFormatsTest, AMigrationThatWasCutShortIsDoneAgain) {
  Take("version1");
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
  Take("version2");
  {
    RawDatabase raw(folder());
    raw.Put("default", "format_version", "5");
    raw.AddFamily("of the future");
  }
  EXPECT_THAT(OpenGistStore(folder()),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("format version 5, supported is 4"),
                             HasSubstr("update gistd"))));
  EXPECT_EQ(RawDatabase(folder()).Get("default", "format_version"), "5");
}

}  // namespace
}  // namespace gist
