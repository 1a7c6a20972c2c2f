#include "storage/gist_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "core/base/identity.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string BlobKeyOf(const ContextRecord& record) {
  return fmt::format("{}/{}", record.context_id,
                     RepresentationKey(record.representations.front()));
}

class GistStoreTest : public testing::Test {
 protected:
  GistStoreTest() { Open(); }

  void Open() {
    store_.reset();
    auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  // Closes the store for as long as the database is looked at.
  RawDatabase Raw() {
    store_.reset();
    return RawDatabase(folder());
  }
  ContextRecord Put(std::string_view text, int gist_tokens = 2,
                    std::string_view model = "model") {
    const ContextRecord record = SampleRecord(text, gist_tokens, model);
    EXPECT_THAT(store_->Put(record, text, SampleGists(gist_tokens)), IsOk());
    return record;
  }
  // The first representation's keys and values.
  absl::StatusOr<CompressedKv> Gists(const ContextRecord& record) const {
    return store_->GetKv(record, record.representations.front());
  }
  std::string folder() const { return dir_ / "data"; }

  TempDir dir_;
  std::unique_ptr<GistStore> store_;
};

TEST_F(GistStoreTest, FindsWhatWasPutAlsoAfterReopening) {
  const ContextRecord record = Put(kSampleText);
  for (int opened = 0; opened < 2; ++opened, Open()) {
    const auto found = store_->GetRecord(record.context_id);
    ASSERT_THAT(found, IsOk());
    EXPECT_TRUE(*found == record);
    const auto gists = Gists(record);
    ASSERT_THAT(gists, IsOk());
    EXPECT_TRUE(*gists == SampleGists());
    EXPECT_EQ(store_->GetText(record.document_id).value(), kSampleText);
    EXPECT_TRUE(store_->HasText(record.document_id).value());
  }
}

TEST_F(GistStoreTest, ReplacesAContextOfTheSameId) {
  ContextRecord record = Put(kSampleText);
  record.representations[0].build_seconds = 9;
  CompressedKv gists = SampleGists();
  gists.keys[0] = 42;
  ASSERT_THAT(store_->Put(record, kSampleText, gists), IsOk());
  EXPECT_EQ(*store_->GetRecord(record.context_id), record);
  EXPECT_EQ(*Gists(record), gists);
  EXPECT_EQ(store_->List(10, "")->records.size(), 1u);
}

TEST_F(GistStoreTest, StoresTheSizesOfTheBlobThatItWrote) {
  ContextRecord record = SampleRecord();
  record.representations[0].kv_bytes = 0;
  record.representations[0].kv_slots = 0;
  ASSERT_THAT(store_->Put(record, "", SampleGists()), IsOk());
  const auto found = store_->GetRecord(record.context_id);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->representations[0].kv_bytes, 2 * 16 * 2);
  EXPECT_EQ(found->representations[0].kv_slots, 2);
  EXPECT_THAT(Gists(*found), IsOk());
}

TEST_F(GistStoreTest, AContextGathersRepresentations) {
  const ContextRecord two = Put(kSampleText, 2), three = Put(kSampleText, 3);
  ContextRecord full = two.With(SampleFullForm());
  full.created_unix_ms += 1000;
  ASSERT_THAT(store_->Put(full, "", SampleFull()), IsOk());
  for (int opened = 0; opened < 2; ++opened, Open()) {
    EXPECT_EQ(store_->List(10, "")->records.size(), 1u);
    const auto found = store_->GetRecord(two.context_id);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->representations,
              (std::vector<Representation>{SampleGistForm(2), SampleGistForm(3),
                                           SampleFullForm()}));
    EXPECT_EQ(found->created_unix_ms, two.created_unix_ms) << "the first one's";
    EXPECT_EQ(*store_->GetKv(*found, SampleGistForm(2)), SampleGists(2));
    EXPECT_EQ(*store_->GetKv(*found, SampleGistForm(3)), SampleGists(3));
    EXPECT_EQ(*store_->GetKv(*found, SampleFullForm()), SampleFull());
    EXPECT_THAT(store_->GetKv(*found, SampleGistForm(4)),
                StatusIs(StatusCode::kNotFound, HasSubstr("gist/4/f16")));
    const auto stored = store_->Find(two.context_id);
    ASSERT_THAT(stored, IsOk());
    EXPECT_EQ(stored->kv_bytes.size(), 3u);
    EXPECT_EQ(stored->kv_bytes.at(RepresentationKey(SampleFullForm())),
              SampleFull().Bytes());
  }
  ASSERT_THAT(store_->Delete(two.context_id), IsOk());
  ASSERT_THAT(store_->EraseDeleted(), IsOk());
  EXPECT_THAT(Raw().Keys(), ElementsAre("default: format_version"));
}

TEST_F(GistStoreTest, ATextAloneIsAContextAndGathersRepresentations) {
  ContextRecord text = SampleRecord();
  text.representations.clear();
  const std::span<const CompressedKv> none;
  EXPECT_THAT(
      store_->Put(text, "", none, {}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("nothing to store")));
  ASSERT_THAT(store_->Put(text, kSampleText, none, {}), IsOk());
  for (int opened = 0; opened < 2; ++opened, Open()) {
    EXPECT_EQ(*store_->GetRecord(text.context_id), text);
    EXPECT_EQ(store_->GetText(text.document_id).value(), kSampleText);
    const auto stored = store_->Find(text.context_id);
    ASSERT_THAT(stored, IsOk());
    EXPECT_TRUE(stored->kv_bytes.empty());
    EXPECT_EQ(stored->text_bytes, int64_t(std::string(kSampleText).size()));
  }
  const ContextRecord gists = Put(kSampleText);
  EXPECT_EQ(gists.context_id, text.context_id);
  // The text again takes nothing away.
  ASSERT_THAT(store_->Put(text, kSampleText, none, {}), IsOk());
  EXPECT_EQ(*store_->GetRecord(text.context_id), gists);
  EXPECT_EQ(*Gists(gists), SampleGists());
}

TEST_F(GistStoreTest, PutsSeveralRepresentationsAtOnce) {
  const KvBlob blob = SampleBlobOfTwo();
  ASSERT_THAT(store_->Put(blob.record, blob.text, blob.kv, Retention()),
              IsOk());
  const auto found = store_->GetRecord(blob.record.context_id);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, blob.record);
  EXPECT_EQ(*store_->GetKv(*found, SampleFullForm()), SampleFull());
}

TEST(ContextRecordTest, TheNewestIsOfTheWantedRungNumberAndAdapter) {
  ContextRecord record = SampleRecord();
  record.representations.clear();
  for (const auto& [gists, adapter, made] :
       {std::tuple(2, "first", 10), std::tuple(4, "first", 20),
        std::tuple(2, "second", 30)}) {
    Representation form = SampleGistForm(gists);
    form.adapter_fingerprint = adapter;
    form.created_unix_ms = made;
    record.representations.push_back(form);
  }
  const auto created = [&](int gists, std::string_view adapter) -> int64_t {
    const Representation* form = record.Newest(Rung::kGist, gists, adapter);
    return form == nullptr ? 0 : form->created_unix_ms;
  };
  EXPECT_EQ(created(0, ""), 30);
  EXPECT_EQ(created(0, "first"), 20);
  EXPECT_EQ(created(2, "first"), 10);
  EXPECT_EQ(created(2, "none"), 30);
  EXPECT_EQ(created(3, "first"), 0);
  EXPECT_EQ(record.Newest(Rung::kFull), nullptr);
}

TEST_F(GistStoreTest, RefusesMoreRepresentationsThanAContextHas) {
  for (int gist_tokens = 1; gist_tokens <= 64; ++gist_tokens)
    Put(kSampleText, gist_tokens);
  EXPECT_THAT(
      store_->Put(SampleRecord(kSampleText, 65), kSampleText, SampleGists(65)),
      StatusIs(StatusCode::kResourceExhausted,
               HasSubstr("65 representations, want 64")));
  Put(kSampleText, 64);  // replaces one
}

// All that was there of it may be wrong: nothing is left beside the new one.
TEST_F(GistStoreTest, PutReplacesADamagedContextWhole) {
  const ContextRecord record = Put(kSampleText, 2);
  Put(kSampleText, 3);
  const std::string& id = record.context_id;
  {
    RawDatabase raw = Raw();
    raw.Put("contexts", id, raw.Get("contexts", id) + " ");
  }
  Open();
  Put(kSampleText, 4);
  EXPECT_EQ(store_->GetRecord(id)->representations.size(), 1u);
  EXPECT_THAT(
      Raw().Keys(),
      testing::Not(testing::Contains(HasSubstr("gists: " + id + "/gist/3"))));
}

TEST_F(GistStoreTest, SaysWhatItDoesNotHave) {
  const ContextRecord record = SampleRecord();
  EXPECT_THAT(store_->GetRecord(record.context_id),
              StatusIs(StatusCode::kNotFound, HasSubstr(record.context_id)));
  EXPECT_THAT(store_->GetRecord(""),
              StatusIs(StatusCode::kNotFound, HasSubstr("\"\"")));
  EXPECT_THAT(Gists(record),
              StatusIs(StatusCode::kNotFound, HasSubstr(record.context_id)));
  EXPECT_THAT(store_->GetText(record.document_id),
              StatusIs(StatusCode::kNotFound, HasSubstr(record.document_id)));
  EXPECT_THAT(store_->Delete(record.context_id),
              StatusIs(StatusCode::kNotFound, HasSubstr(record.context_id)));
  EXPECT_FALSE(store_->HasText(record.document_id).value());
}

TEST_F(GistStoreTest, StoresNothingOfWhatDoesNotFitTogether) {
  const ContextRecord record = SampleRecord();
  EXPECT_THAT(store_->Put(record, "another text", SampleGists()),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("12 B, want")));
  EXPECT_THAT(store_->Put(record, kSampleText, SampleGists(3)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("3 slots")));
  CompressedKv gists = SampleGists();
  gists.values.replace(2, 2, "\1\x7e");
  EXPECT_THAT(store_->Put(record, kSampleText, gists),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("nan")));
  EXPECT_THAT(Raw().Keys(), ElementsAre("default: format_version"));
}

TEST_F(GistStoreTest, KeepsGistsWithoutAText) {
  const ContextRecord record = SampleRecord();
  ASSERT_THAT(store_->Put(record, "", SampleGists()), IsOk());
  EXPECT_THAT(Gists(record), IsOk());
  EXPECT_FALSE(store_->HasText(record.document_id).value());
  EXPECT_THAT(store_->GetText(record.document_id),
              StatusIs(StatusCode::kNotFound, HasSubstr("no text")));
}

TEST_F(GistStoreTest, PutWithoutTextLeavesATextThatIsThere) {
  const ContextRecord record = Put(kSampleText);
  ASSERT_THAT(store_->Put(record, "", SampleGists()), IsOk());
  EXPECT_TRUE(store_->HasText(record.document_id).value());
  EXPECT_EQ(store_->GetText(record.document_id).value(), kSampleText);
}

TEST_F(GistStoreTest, DeletesTheTextWithItsLastContextAlone) {
  const ContextRecord first = Put(kSampleText);
  const ContextRecord second = Put(kSampleText, 2, "another model");
  ASSERT_THAT(store_->Delete(first.context_id), IsOk());
  EXPECT_THAT(store_->GetRecord(first.context_id),
              StatusIs(StatusCode::kNotFound, HasSubstr(first.context_id)));
  EXPECT_THAT(Gists(second), IsOk());
  EXPECT_EQ(store_->GetText(second.document_id).value(), kSampleText);
  ASSERT_THAT(store_->Delete(second.context_id), IsOk());
  EXPECT_FALSE(store_->HasText(second.document_id).value());
  EXPECT_THAT(store_->GetText(second.document_id),
              StatusIs(StatusCode::kNotFound, HasSubstr("no text")));
}

TEST_F(GistStoreTest, DeletingEverythingLeavesNothingBehind) {
  std::vector<ContextRecord> records = {
      Put("one", 1), Put("one", 2, "another model"), Put("two", 2)};
  EXPECT_GE(Raw().Keys().size(), 3u * 3 + 2 * 2 + 1);
  Open();
  for (const ContextRecord& record : records)
    ASSERT_THAT(store_->Delete(record.context_id), IsOk());
  ASSERT_THAT(store_->EraseDeleted(), IsOk());
  EXPECT_THAT(Raw().Keys(), ElementsAre("default: format_version"));
}

TEST_F(GistStoreTest, ListsEveryContextOnceInPagesOrderedById) {
  std::vector<std::string> wanted;
  for (int i = 0; i < 7; ++i)
    wanted.push_back(Put(fmt::format("document {}", i)).context_id);
  std::ranges::sort(wanted);
  for (int page_size : {1, 3, 7, 100}) {
    std::vector<std::string> found;
    std::string token;
    do {
      const auto page = store_->List(page_size, token);
      ASSERT_THAT(page, IsOk());
      EXPECT_LE(page->records.size(), size_t(page_size));
      EXPECT_FALSE(page->records.empty()) << "a page that says nothing";
      for (const auto& record : page->records)
        found.push_back(record.context_id);
      token = page->next_page_token;
    } while (!token.empty());
    EXPECT_EQ(found, wanted) << page_size;
  }
}

TEST_F(GistStoreTest, AChunkIndexGoesWithItsDocument) {
  const ContextRecord first = Put(kSampleText),
                      second = Put(kSampleText, 2, "another model");
  const std::string& document = first.document_id;
  EXPECT_THAT(store_->GetChunkIndex(document),
              StatusIs(StatusCode::kNotFound, HasSubstr("no chunk index")));
  EXPECT_THAT(store_->PutChunkIndex(std::string(64, '0'), "bytes"),
              StatusIs(StatusCode::kNotFound, HasSubstr("no text")));
  ASSERT_THAT(store_->PutChunkIndex(document, "some bytes"), IsOk());
  ASSERT_THAT(store_->PutChunkIndex(document, "other bytes"), IsOk());
  Open();
  EXPECT_EQ(store_->GetChunkIndex(document).value(), "other bytes");
  ASSERT_THAT(store_->Delete(first.context_id), IsOk());
  EXPECT_EQ(store_->GetChunkIndex(document).value(), "other bytes");
  ASSERT_THAT(store_->Delete(second.context_id), IsOk());
  EXPECT_THAT(store_->GetChunkIndex(document),
              StatusIs(StatusCode::kNotFound, HasSubstr("no chunk index")));
}

TEST_F(GistStoreTest, ListsOnAfterTheContextOfTheTokenIsDeleted) {
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(Put(fmt::format("document {}", i)).context_id);
  std::ranges::sort(ids);
  const std::string token = store_->List(1, "")->next_page_token;
  ASSERT_THAT(store_->Delete(ids[0]), IsOk());
  const auto page = store_->List(1, token);
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->records[0].context_id, ids[1]);
}

TEST_F(GistStoreTest, RejectsPagesThatAreNone) {
  EXPECT_TRUE(store_->List(1, "")->records.empty());
  EXPECT_THAT(store_->List(0, ""),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("is 0")));
  for (const std::string token : {"x", "ctx_", "ctx_0123", "CTX_"}) {
    EXPECT_THAT(store_->List(1, token),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(token)));
  }
}

TEST_F(GistStoreTest, CallsDamagedValuesDamagedAndDeletesThem) {
  const ContextRecord record = Put(kSampleText);
  const std::string& id = record.context_id;
  {
    RawDatabase raw = Raw();
    raw.Put("gists", BlobKeyOf(record), "garbage");
    raw.Put("contexts", id, raw.Get("contexts", id) + " ");
    raw.Put("documents", record.document_id, "");
  }
  Open();
  EXPECT_THAT(Gists(record),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr(id), HasSubstr("7 B, want 8 B"),
                             HasSubstr("delete the context"))));
  EXPECT_THAT(store_->GetRecord(id),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr(id), HasSubstr("checksum"))));
  EXPECT_THAT(store_->List(10, ""),
              StatusIs(StatusCode::kDataLoss, HasSubstr(id)));
  EXPECT_THAT(store_->GetText(record.document_id),
              StatusIs(StatusCode::kDataLoss, HasSubstr(record.document_id)));
  ASSERT_THAT(store_->Delete(id), IsOk());
  ASSERT_THAT(store_->EraseDeleted(), IsOk());
  EXPECT_THAT(Raw().Keys(), ElementsAre("default: format_version"));
}

TEST_F(GistStoreTest, RefusesWholeValuesUnderTheWrongKey) {
  const ContextRecord one = Put("one"), two = Put("two");
  {
    RawDatabase raw = Raw();
    raw.Put("gists", BlobKeyOf(one), raw.Get("gists", BlobKeyOf(two)));
    raw.Put("contexts", one.context_id, raw.Get("contexts", two.context_id));
    raw.Put("documents", one.document_id,
            raw.Get("documents", two.document_id));
  }
  Open();
  EXPECT_THAT(Gists(one), StatusIs(StatusCode::kDataLoss,
                                   HasSubstr("context_id " + two.context_id)));
  EXPECT_THAT(store_->GetRecord(one.context_id),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
  EXPECT_THAT(store_->GetText(one.document_id),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST_F(GistStoreTest, RefusesABlobThatContradictsTheRecord) {
  const ContextRecord record = Put(kSampleText);
  ContextRecord other = record;
  other.model_fingerprint = Sha256Hex("other");
  EXPECT_THAT(Gists(other),
              StatusIs(StatusCode::kDataLoss, HasSubstr("model_fingerprint")));
  other = record;
  ++other.representations[0].build_seconds;
  EXPECT_THAT(Gists(other),
              StatusIs(StatusCode::kDataLoss, HasSubstr("gist/2/f16")));
  other = record;
  --other.document_tokens;
  EXPECT_THAT(Gists(other),
              StatusIs(StatusCode::kDataLoss, HasSubstr("document_tokens")));
}

// As FORMAT.md has it.
TEST_F(GistStoreTest, BlobsLieUnderContextAndRepresentation) {
  const ContextRecord record = Put(kSampleText, 2);
  EXPECT_THAT(Raw().Keys(), testing::Contains(fmt::format(
                                "gists: {}/gist/2/f16/{}", record.context_id,
                                Sha256Hex("adapter"))));
}

TEST_F(GistStoreTest, CompressesDocumentsAlone) {
  store_.reset();
  rocksdb::DBOptions options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  const auto status = rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(),
                                                 folder(), &options, &families);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(families.size(), 10u);
  for (const auto& family : families) {
    EXPECT_EQ(family.options.compression, family.name == "documents"
                                              ? rocksdb::kZSTD
                                              : rocksdb::kNoCompression)
        << family.name;
  }
}

// Two contexts of one document, put and deleted by every thread: the text is
// there whenever nobody deletes, and nothing is left at the end.
TEST_F(GistStoreTest, ServesEightThreadsAtOnce) {
  const ContextRecord kept = Put("kept");
  std::atomic<int> surprises = 0;
  const auto work = [&](int thread) {
    const std::string own = fmt::format("own {}", thread);
    for (int round = 0; round < 20; ++round) {
      for (const std::string& text : {std::string("shared"), own}) {
        const int tokens = 1 + thread % 2;
        const ContextRecord record =
            SampleRecord(text, tokens, thread % 4 < 2 ? "model" : "other");
        const bool mine = text == own;
        surprises += !store_->Put(record, text, SampleGists(tokens)).ok();
        const auto gists = Gists(record);
        surprises += !gists.ok() && (mine || !absl::IsNotFound(gists.status()));
        surprises += !Gists(kept).ok() || !store_->List(3, "").ok();
        const auto gone = store_->Delete(record.context_id);
        surprises += !gone.ok() && (mine || !absl::IsNotFound(gone));
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work, i);
  threads.clear();
  EXPECT_EQ(surprises, 0);
  EXPECT_EQ(store_->GetText(kept.document_id).value(), "kept");
  ASSERT_THAT(store_->Delete(kept.context_id), IsOk());
  ASSERT_THAT(store_->EraseDeleted(), IsOk());
  EXPECT_THAT(Raw().Keys(), ElementsAre("default: format_version"));
}

// Were Delete to look and write without excluding Put, it would now and then
// take the text away from the context that Put has just stored.
TEST_F(GistStoreTest, NeverDeletesTheTextOfAContextThatWasJustPut) {
  const ContextRecord one = SampleRecord(kSampleText, 1);
  const ContextRecord two = SampleRecord(kSampleText, 2, "another model");
  for (int round = 0; round < 50; ++round) {
    ASSERT_THAT(store_->Put(one, kSampleText, SampleGists(1)), IsOk());
    {
      const std::jthread deleter(
          [&] { EXPECT_THAT(store_->Delete(one.context_id), IsOk()); });
      EXPECT_THAT(store_->Put(two, kSampleText, SampleGists(2)), IsOk());
    }
    ASSERT_TRUE(store_->HasText(two.document_id).value()) << round;
    ASSERT_THAT(store_->GetText(two.document_id), IsOk());
    ASSERT_THAT(store_->Delete(two.context_id), IsOk());
  }
}

}  // namespace
}  // namespace gist
