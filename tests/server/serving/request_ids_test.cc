#include "server/serving/request_ids.h"

#include <filesystem>
#include <fstream>

#include "server/support/errors.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using std::chrono::hours;
using testing::_;

std::optional<std::string> Begin(RequestIds& ids, const std::string& id,
                                 const std::string& digest,
                                 Clock::time_point now = Clock::now()) {
  const auto made = ids.Begin(id, digest, now);
  EXPECT_THAT(made, IsOk());
  return made.ok() ? *made : std::nullopt;
}

TEST(RequestIdsTest, ARepeatGetsWhatTheFirstMade) {
  RequestIds ids;
  EXPECT_EQ(Begin(ids, "a", "text"), std::nullopt);
  EXPECT_EQ(Begin(ids, "a", "text"), std::nullopt);  // the first still runs
  ids.End("a", "text", "ctx_1");
  EXPECT_EQ(Begin(ids, "a", "text"), "ctx_1");
  EXPECT_EQ(Begin(ids, "b", "text"), std::nullopt);
}

TEST(RequestIdsTest, AnotherRequestUnderTheSameIdIsRefused) {
  RequestIds ids;
  Begin(ids, "a", "text");
  const auto other = ids.Begin("a", "other text");
  EXPECT_THAT(other, StatusIs(StatusCode::kInvalidArgument, _));
  EXPECT_EQ(DetailsOf(other.status()).reason, Reason::kRequestIdReused);
  EXPECT_EQ(DetailsOf(other.status()).field, "request_id");
}

TEST(RequestIdsTest, AfterAnErrorTheIdIsFree) {
  RequestIds ids;
  Begin(ids, "a", "text");
  ids.End("a", "text", "");
  EXPECT_EQ(Begin(ids, "a", "other text"), std::nullopt);
  ids.End("a", "other text", "ctx_2");
  ids.End("a", "text", "");  // a straggler
  EXPECT_EQ(Begin(ids, "a", "other text"), "ctx_2");
}

TEST(RequestIdsTest, TheOldestAreForgottenByNumberAndByAge) {
  RequestIds ids(/*max_ids=*/2, hours(24));
  const Clock::time_point start = Clock::now();
  for (const char* id : {"a", "b", "c"}) {
    Begin(ids, id, "text", start);
    ids.End(id, "text", std::string("ctx_") + id, start);
  }
  EXPECT_EQ(Begin(ids, "c", "text", start + hours(23)), "ctx_c");
  EXPECT_EQ(Begin(ids, "b", "text", start + hours(23)), "ctx_b");
  EXPECT_EQ(Begin(ids, "c", "text", start + hours(24)), std::nullopt);
  EXPECT_EQ(Begin(ids, "a", "anything", start + hours(24)), std::nullopt);
}

class RequestIdTest : public PipelineTest {
 protected:
  absl::StatusOr<CompressResult> Compress(const std::string& text,
                                          const std::string& request_id,
                                          const std::string& tenant = "") {
    Caller caller;
    caller.principal.tenant = tenant;
    return server().pipeline.Compress({text, 0, request_id}, caller);
  }
};

TEST_F(RequestIdTest, ARepeatGivesTheSameContextUnderANewAdapter) {
  Start();
  const auto first = Compress("some text", "r1");
  ASSERT_THAT(first, IsOk());
  const std::string id = first->context.record.context_id;
  const TempDir dir;
  const std::string folder = dir / "adapter";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/adapter_config.json")
      << R"({"fake": true, "gist_tokens": 4})";
  ASSERT_THAT(server().engine.UseAdapter(folder), IsOk());
  const auto repeat = Compress("some text", "r1");
  ASSERT_THAT(repeat, IsOk());
  EXPECT_EQ(repeat->context.record.context_id, id);
  EXPECT_TRUE(repeat->cached);
  EXPECT_FALSE(repeat->is_new);
  // Without the id the new adapter adds a representation to the same context.
  const auto without = server().Compress("some text");
  ASSERT_THAT(without, IsOk());
  EXPECT_EQ(without->context.record.context_id, id);
  EXPECT_FALSE(without->cached);
}

TEST_F(RequestIdTest, AnotherTextIsRefusedAndAnotherTenantIsNot) {
  Start();
  ASSERT_THAT(Compress("some text", "r1"), IsOk());
  EXPECT_EQ(DetailsOf(Compress("other text", "r1").status()).reason,
            Reason::kRequestIdReused);
  EXPECT_THAT(Compress("other text", "r1", "acme"), IsOk());
  EXPECT_EQ(DetailsOf(Compress("text", "not plain!").status()).field,
            "request_id");
}

TEST_F(RequestIdTest, WhatWasDeletedIsComputedAnew) {
  Start();
  const auto first = Compress("some text", "r1");
  ASSERT_THAT(first, IsOk());
  const std::string id = first->context.record.context_id;
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  const auto repeat = Compress("some text", "r1");
  ASSERT_THAT(repeat, IsOk());
  EXPECT_EQ(repeat->context.record.context_id, id);
  EXPECT_FALSE(repeat->cached);
}

}  // namespace
}  // namespace gist
