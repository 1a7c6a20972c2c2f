// How long contexts are kept, and that nothing is left of those that are not.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/retrieval/chunk_index.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Retention kShort{.expire_unix_ms = 1'800'000'000'000, .pinned = true};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() { Open(); }

  void Open() {
    store_.reset();
    auto store = OpenGistStore(folder());
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  ContextRecord Put(std::string_view text, int gist_tokens,
                    const Retention& retention) {
    const ContextRecord record = SampleRecord(text, gist_tokens);
    EXPECT_THAT(store_->Put(record, text, SampleGists(gist_tokens), retention),
                IsOk());
    return record;
  }
  Retention Of(const ContextRecord& record) {
    const auto found = store_->Find(record.context_id);
    EXPECT_THAT(found, IsOk());
    return found.ok() ? found->retention : Retention();
  }
  // Another context of the same document.
  ContextRecord PutOfOtherModel(std::string_view text) {
    const ContextRecord record = SampleRecord(text, 2, "another model");
    EXPECT_THAT(store_->Put(record, text, SampleGists()), IsOk());
    return record;
  }
  std::string folder() const { return dir_ / "data"; }

  TempDir dir_;
  std::unique_ptr<GistStore> store_;
};

TEST_F(RetentionTest, IsKeptWithTheContextAndChanged) {
  const ContextRecord record = Put(kSampleText, 2, kShort);
  const ContextRecord other = Put("another", 2, {});
  for (int opened = 0; opened < 2; ++opened, Open()) {
    EXPECT_EQ(Of(record), kShort);
    EXPECT_EQ(Of(other), Retention());
  }
  ASSERT_THAT(store_->SetRetention(record.context_id, {.pinned = false}),
              IsOk());
  ASSERT_THAT(store_->SetRetention(other.context_id, kShort), IsOk());
  for (int opened = 0; opened < 2; ++opened, Open()) {
    EXPECT_EQ(Of(record), Retention());
    EXPECT_EQ(Of(other), kShort);
  }
  Put("another", 2, {});
  EXPECT_EQ(Of(other), Retention()) << "a Put replaces it";
  EXPECT_THAT(store_->SetRetention(SampleRecord("no").context_id, kShort),
              StatusIs(StatusCode::kNotFound, HasSubstr("ctx_")));
}

TEST_F(RetentionTest, DamageOfItIsFoundWithTheContextsId) {
  const ContextRecord record = Put(kSampleText, 2, kShort);
  store_.reset();
  {
    RawDatabase raw(folder());
    std::string value = raw.Get("retentions", record.context_id);
    value.back() ^= 1;
    raw.Put("retentions", record.context_id, value);
  }
  Open();
  EXPECT_THAT(store_->Find(record.context_id),
              StatusIs(StatusCode::kDataLoss, HasSubstr(record.context_id)));
  const auto all = store_->Inventory();
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ(all->size(), 1u);
  EXPECT_THAT((*all)[0].status,
              StatusIs(StatusCode::kDataLoss, HasSubstr(record.context_id)));
  ASSERT_THAT(store_->Delete(record.context_id), IsOk());
}

TEST_F(RetentionTest, TheInventoryKnowsSizesAndUses) {
  const ContextRecord record = Put(kSampleText, 2, kShort);
  ASSERT_THAT(store_->PutChunkIndex(record.document_id, "index"), IsOk());
  const ContextUse uses[] = {{record.context_id, 1'750'000'000'000},
                             {SampleRecord("gone").context_id, 1}};
  ASSERT_THAT(store_->WriteUses(uses), IsOk());
  for (int opened = 0; opened < 2; ++opened, Open()) {
    const auto all = store_->Inventory();
    ASSERT_THAT(all, IsOk());
    ASSERT_EQ(all->size(), 1u) << "a use makes no context";
    const StoredContext& context = (*all)[0];
    EXPECT_EQ(context.document_id, record.document_id);
    EXPECT_EQ(context.kv_bytes,
              (std::map<std::string, int64_t>{
                  {RepresentationKey(SampleGistForm()), record.KvBytes()}}));
    EXPECT_EQ(context.text_bytes, record.document_bytes);
    EXPECT_EQ(context.index_bytes, 5 + 9);
    EXPECT_EQ(context.used_unix_ms, 1'750'000'000'000);
    EXPECT_EQ(context.retention, kShort);
  }
}

// Names of the files in `folder` whose bytes hold `bytes`.
std::vector<std::string> FilesWith(const std::string& folder,
                                   const std::string& bytes) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() &&
        ReadFile(entry.path()).find(bytes) != std::string::npos)
      files.push_back(entry.path().filename().string());
  }
  return files;
}

// What table files hold in all, deleted and replaced entries included, and what
// of it can be found; the family "default" knows of no context.
struct Entries {
  uint64_t in_files = 0, found = 0, deletions = 0;
};
Entries CountEntries(const std::string& folder) {
  std::vector<std::string> names;
  rocksdb::DB::ListColumnFamilies({}, folder, &names);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names)
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(
      rocksdb::DB::OpenForReadOnly({}, folder, families, &handles, &db).ok());
  Entries entries;
  for (auto* handle : handles) {
    if (handle->GetName() == rocksdb::kDefaultColumnFamilyName) continue;
    rocksdb::TablePropertiesCollection tables;
    EXPECT_TRUE(db->GetPropertiesOfAllTables(handle, &tables).ok());
    for (const auto& [name, table] : tables) {
      entries.in_files += table->num_entries;
      entries.deletions += table->num_deletions;
    }
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}, handle));
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++entries.found;
  }
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  delete db;
  return entries;
}

// A byte sequence of gists as they lie in the blob: F16, little-endian.
const std::string kMarkedBytes("\0\x3e\0\x3d\0\x3f\x80\x3c\0\x41", 10);
CompressedKv MarkedGists() {
  CompressedKv gists = SampleGists();
  gists.keys.replace(0, kMarkedBytes.size(), kMarkedBytes);
  return gists;
}

TEST_F(RetentionTest, NothingOfADeletedContextIsLeftInTheFiles) {
  // Not compressible, so that files hold the text as it is.
  const std::string text = "kQ7xZ2pLw9Rv4TbNs8YhGd3Mf6Jc1Ae5UoXiPzBnCqWr";
  const std::string index = "index_Jq82hsYw7Lx0vPz3kTn5";
  const std::string tenants = "tenants_Mw6cR1uEg9oAy4iXb2fZ";
  const ContextRecord record = SampleRecord(text);
  const ContextRecord kept = Put("what stays", 2, kShort);
  ASSERT_THAT(store_->Put(record, text, MarkedGists(), kShort), IsOk());
  ASSERT_THAT(store_->PutChunkIndex(record.document_id, index), IsOk());
  ASSERT_THAT(store_->PutTenantIndex("", {&record.document_id, 1}, tenants),
              IsOk());
  const ContextUse use{record.context_id, 1'750'000'000'000};
  ASSERT_THAT(store_->WriteUses({&use, 1}), IsOk());
  const std::vector<std::string> contents = {text, index, tenants,
                                             kMarkedBytes};
  Open();  // writes table files: the traces are in files of both kinds
  for (const std::string& trace : contents)
    EXPECT_THAT(FilesWith(folder(), trace), testing::Not(IsEmpty())) << trace;

  ASSERT_THAT(store_->Delete(record.context_id), IsOk());
  EXPECT_EQ(store_->EraseDeleted().value(), 1);
  EXPECT_EQ(store_->EraseDeleted().value(), 0);
  EXPECT_EQ(store_->GetText(kept.document_id).value(), "what stays");
  store_.reset();

  for (const std::string& trace : contents)
    EXPECT_THAT(FilesWith(folder(), trace), IsEmpty()) << trace;
  // Ids stay for a while in RocksDB's log and list of files, nowhere else.
  for (const std::string& id : {record.context_id, record.document_id}) {
    for (const std::string& file : FilesWith(folder(), id))
      EXPECT_TRUE(file.ends_with(".log") || file.starts_with("MANIFEST"))
          << file << ": " << id;
  }
  const Entries entries = CountEntries(folder());
  EXPECT_EQ(entries.in_files, entries.found) << "old values lie in files";
  EXPECT_EQ(entries.deletions, 0u);
  RawDatabase raw(folder());
  for (const std::string& key : raw.Keys()) {
    EXPECT_EQ(key.find(record.context_id), key.npos) << key;
    EXPECT_EQ(key.find(record.document_id), key.npos) << key;
  }
}

TEST_F(RetentionTest, WhatWasDeletedBeforeARestartIsErasedAfterIt) {
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i)  // more than are rewritten one by one
    texts.push_back("text_" + std::to_string(i * 7919) + "_Jq82hsYw7Lx0vPz3");
  for (const std::string& text : texts) {
    const ContextRecord record = Put(text, 2, {});
    ASSERT_THAT(store_->Delete(record.context_id), IsOk());
  }
  Open();
  EXPECT_EQ(store_->EraseDeleted().value(), 40);
  store_.reset();
  for (const std::string& text : texts)
    EXPECT_THAT(FilesWith(folder(), text), IsEmpty());
  EXPECT_THAT(RawDatabase(folder()).Keys(),
              ElementsAre("default: format_version"));
}

// Its own, and no other's; of a record that cannot be read, anyone's.
TEST_F(RetentionTest, ATenantsIndexGoesWithEachOfItsDocuments) {
  const ContextRecord first = Put(kSampleText, 2, {});
  const ContextRecord second = PutOfOtherModel(kSampleText);
  const ContextRecord other = Put("another", 2, {});
  const std::vector<std::string> ids = {first.document_id, other.document_id};
  const auto put_both = [&] {
    ASSERT_THAT(store_->PutTenantIndex("", ids, "ours"), IsOk());
    ASSERT_THAT(store_->PutTenantIndex("acme", {}, "acme's"), IsOk());
  };
  put_both();
  ASSERT_THAT(store_->Delete(first.context_id), IsOk());
  EXPECT_EQ(store_->GetTenantIndex("").value(), "ours") << "the text stays";
  const auto none = StatusIs(StatusCode::kNotFound, testing::_);
  ASSERT_THAT(store_->Delete(second.context_id), IsOk());
  EXPECT_THAT(store_->GetTenantIndex(""), none);
  EXPECT_EQ(store_->GetTenantIndex("acme").value(), "acme's");
  EXPECT_THAT(store_->PutTenantIndex("", ids, "late"), none)
      << "one of its documents is gone";
  EXPECT_THAT(store_->GetTenantIndex(""), none);
  const std::vector<TenantDocument> left = *store_->TenantDocuments("");
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].context_id, other.context_id);
  EXPECT_EQ(left[0].document_id, other.document_id);
  EXPECT_EQ(left[0].text_bytes, other.document_bytes);
  EXPECT_THAT(*store_->TenantDocuments("acme"), IsEmpty());

  ASSERT_THAT(store_->PutTenantIndex("", {&other.document_id, 1}, "ours"),
              IsOk());
  store_.reset();
  {
    RawDatabase raw(folder());
    std::string value = raw.Get("contexts", other.context_id);
    value.back() ^= 1;
    raw.Put("contexts", other.context_id, value);
  }
  Open();
  ASSERT_THAT(store_->Delete(other.context_id), IsOk());
  EXPECT_THAT(store_->GetTenantIndex(""), none);
  EXPECT_THAT(store_->GetTenantIndex("acme"), none);
}

TEST_F(RetentionTest, ACopyHoldsWhatWasThereWhenItWasMade) {
  const ContextRecord record = Put(kSampleText, 2, kShort);
  ASSERT_THAT(store_->CopyTo(dir_ / "copy"), IsOk());
  ASSERT_THAT(store_->Delete(record.context_id), IsOk());
  const auto copy = OpenGistStore(dir_ / "copy");
  ASSERT_THAT(copy, IsOk());
  EXPECT_THAT((*copy)->GetKv(record, SampleGistForm()), IsOk());
  EXPECT_EQ((*copy)->GetText(record.document_id).value(), kSampleText);
  EXPECT_EQ((*copy)->Find(record.context_id)->retention, kShort);
}

}  // namespace
}  // namespace gist
