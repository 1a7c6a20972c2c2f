// Whose a context is, in its record and in lists.
#include <string>
#include <vector>

#include "storage/context_record.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

ContextRecord RecordOf(const std::string& tenant, std::string_view text) {
  ContextRecord record = SampleRecord(text);
  record.tenant = tenant;
  record.document_id = DocumentId(tenant, text);
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
  return record;
}

TEST(TenantRecordTest, TheDefaultTenantsRecordIsAsItWasBeforeTenants) {
  const std::string json = RecordToJson(RecordOf("", kSampleText));
  EXPECT_THAT(json, Not(HasSubstr("tenant")));
  const auto read = RecordFromJson(json);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->tenant, "");
}

TEST(TenantRecordTest, ATenantIsKeptAndIsAText) {
  const ContextRecord record = RecordOf("acme", kSampleText);
  const std::string json = RecordToJson(record);
  EXPECT_TRUE(RecordFromJson(json).value() == record);
  std::string number = json;
  const std::string text = "\"acme\"";
  number.replace(number.find(text), text.size(), "7");
  EXPECT_THAT(RecordFromJson(number),
              StatusIs(StatusCode::kDataLoss, HasSubstr("tenant")));
}

class TenantListTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() { store_ = OpenGistStore(dir_ / "data").value(); }
  std::string Put(const std::string& tenant, const std::string& text) {
    const ContextRecord record = RecordOf(tenant, text);
    EXPECT_THAT(store_->Put(record, text, SampleGists()), IsOk());
    return record.context_id;
  }
  // All pages of `page_size`.
  std::vector<std::string> Ids(const std::string& tenant, int page_size) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const auto page = store_->ListOf(tenant, page_size, token);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      EXPECT_LE(page->records.size(), size_t(page_size));
      for (const auto& record : page->records) ids.push_back(record.context_id);
      token = page->next_page_token;
    } while (!token.empty());
    return ids;
  }

  TempDir dir_;
  std::unique_ptr<GistStore> store_;
};

TEST_F(TenantListTest, PagesHoldOneTenantsContexts) {
  const std::string a1 = Put("acme", "one"), a2 = Put("acme", "two"),
                    a3 = Put("acme", "three"), b1 = Put("globex", "one"),
                    d1 = Put("", "one");
  for (const int page_size : {1, 2, 3, 10}) {
    EXPECT_THAT(Ids("acme", page_size), UnorderedElementsAre(a1, a2, a3));
    EXPECT_THAT(Ids("globex", page_size), UnorderedElementsAre(b1));
    EXPECT_THAT(Ids("", page_size), UnorderedElementsAre(d1));
    EXPECT_THAT(Ids("nobody", page_size), IsEmpty());
  }
  EXPECT_EQ(store_->List(10, "")->records.size(), 5u);
}

// It no longer says whose it was, so its id is told to no tenant.
TEST_F(TenantListTest, ADamagedRecordIsNamedToTheDefaultTenantAlone) {
  const std::string a = Put("acme", "one"), b = Put("globex", "one");
  store_.reset();
  {
    RawDatabase raw(dir_ / "data");
    std::string value = raw.Get("contexts", a);
    value.back() ^= 1;
    raw.Put("contexts", a, value);
  }
  Open();
  EXPECT_THAT(Ids("globex", 10), UnorderedElementsAre(b));
  EXPECT_THAT(Ids("acme", 10), IsEmpty());
  EXPECT_THAT(store_->ListOf("", 10, ""),
              StatusIs(StatusCode::kDataLoss, HasSubstr(a)));
}

}  // namespace
}  // namespace gist
