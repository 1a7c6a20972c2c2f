#include "core/base/identity.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace gist {
namespace {

// Source: FIPS 180-4 examples.
TEST(Sha256HexTest, EqualsThePublishedVectors) {
  EXPECT_EQ(Sha256Hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Ids are on users' disks: a change of their recipe has to be a decision. The
// values are hashlib's, over struct.pack("<Q", len(salt)) + salt + text.
TEST(DocumentIdTest, KeepsItsRecipe) {
  EXPECT_EQ(DocumentId("tenant", "Gr\xc3\xbc\xc3\x9f\x65"),
            "e98b65bedfdf1ff9de0f4700da4d0c7f21d5c3ee7ec1c1b7cd12f59da19fed57");
}

TEST(DocumentIdTest, SaltAndTextDoNotRunIntoEachOther) {
  const std::set<std::string> ids = {
      DocumentId("", "abc"), DocumentId("a", "bc"), DocumentId("ab", "c"),
      DocumentId("abc", ""), Sha256Hex("abc")};
  EXPECT_EQ(ids.size(), 5u);
}

// printf TEXT | git hash-object --stdin
TEST(GitBlobTest, IsWhatGitSays) {
  EXPECT_EQ(GitBlobHex(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(GitBlobHex("hello"), "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
}

TEST(OldContextIdTest, KeepsItsRecipe) {
  EXPECT_EQ(OldContextId("doc", "model", "adapter", 10),
            "ctx_ead0a71a34271c6368a8ec02efe24a5e");
}

// hashlib's, over document and model, each behind struct.pack("<Q", length).
TEST(ContextIdTest, KeepsItsRecipe) {
  EXPECT_EQ(ContextId("0123456789", "model"), "ctx_01234567cf13930e954db1cd412cec5a");
}

TEST(ContextIdTest, DependsOnDocumentAndModel) {
  const std::set<std::string> ids = {
      ContextId("documents", "model"), ContextId("document", "smodel"),
      ContextId("documents", "other"), ContextId("documentt", "model")};
  EXPECT_EQ(ids.size(), 4u);
}

TEST(OldContextIdTest, DependsOnEachPartOfTheKey) {
  const std::set<std::string> ids = {
      OldContextId("doc", "model", "adapter", 10),
      OldContextId("do", "cmodel", "adapter", 10),
      OldContextId("doc", "mode", "ladapter", 10),
      OldContextId("doc", "model", "adapte", 10),
      OldContextId("doc", "model", "adapter", 25)};
  EXPECT_EQ(ids.size(), 5u);
}

}  // namespace
}  // namespace gist
