#include "core/compress/representation.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/core/compress/samples.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Representation FullOf(const CompressedKv& kv) {
  Representation full{
      .rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kI8};
  SetSizes(kv, full);
  return full;
}

TEST(RepresentationTest, TheKeyNamesWhatTellsThemApart) {
  const Representation gist{.rung = Rung::kGist,
                            .gist_tokens = 10,
                            .storage = KvStorage::kF16,
                            .adapter_fingerprint = "abc"};
  EXPECT_EQ(RepresentationKey(gist), "gist/10/f16/abc");
  std::set<std::string> keys = {RepresentationKey(gist)};
  Representation other = gist;
  other.gist_tokens = 25;
  keys.insert(RepresentationKey(other));
  other = gist;
  other.storage = KvStorage::kI8;
  keys.insert(RepresentationKey(other));
  other = gist;
  other.adapter_fingerprint = "abd";
  keys.insert(RepresentationKey(other));
  other = gist;
  other.rung = Rung::kFull;
  keys.insert(RepresentationKey(other));
  EXPECT_EQ(keys.size(), 5u);
  other = gist;
  other.kv_bytes = 7;
  EXPECT_TRUE(keys.contains(RepresentationKey(other)));
}

TEST(RepresentationTest, ChecksItsKeysAndValues) {
  const CompressedKv kv = InStorage(RaggedKv(), KvStorage::kI8).value();
  const Representation full = FullOf(kv);
  EXPECT_EQ(full.kv_slots, 2);
  EXPECT_EQ(RepresentationProblem(full, kv), "");

  Representation other = full;
  other.kv_bytes += 1;
  EXPECT_THAT(RepresentationProblem(other, kv), HasSubstr("the record says"));
  other = full;
  other.storage = KvStorage::kF16;
  EXPECT_THAT(RepresentationProblem(other, kv), HasSubstr("in i8, want f16"));
  other = full;
  other.rung = Rung::kGist;
  other.gist_tokens = 2;
  EXPECT_THAT(RepresentationProblem(other, kv), HasSubstr("2 gists"));
  CompressedKv nowhere = kv;
  nowhere.positions.clear();
  EXPECT_THAT(RepresentationProblem(FullOf(nowhere), nowhere),
              HasSubstr("no positions"));
}

TEST(RepresentationTest, RefusesAnotherVersionOfItsMethod) {
  Representation full{.rung = Rung::kFull, .ratio = 1};
  EXPECT_THAT(CheckMethodVersion(full), IsOk());
  full.method_version = MethodVersion(Rung::kFull) + 1;
  EXPECT_THAT(CheckMethodVersion(full),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("full/1/f16/"), HasSubstr("version 2"),
                             HasSubstr("version 1: update gistd"))));
  full.method_version = MethodVersion(Rung::kFull) - 1;
  EXPECT_THAT(CheckMethodVersion(full).message(),
              HasSubstr("compress the document again"));
}

TEST(RungTest, NamesAreRead) {
  for (Rung rung : {Rung::kGist, Rung::kRestored, Rung::kSelected, Rung::kFull})
    EXPECT_EQ(ParseRung(RungName(rung)), rung);
  EXPECT_FALSE(ParseRung("auto"));
}

}  // namespace
}  // namespace gist
