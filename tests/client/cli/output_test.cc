#include "client/cli/output.h"

#include "client/convert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli/json_fields.h"
#include "tests/client/scripted_server.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(OutputTest, SaysAllThatTheServerSaid) {
  EXPECT_THAT(ToJson(FromProto(FullContext())), HasAllFieldsOf(FullContext()));
  EXPECT_THAT(ToJson(FromProto(FullServerInfo())),
              HasAllFieldsOf(FullServerInfo()));
  EXPECT_THAT(ToJson(FromProto(FullAccounting())),
              HasAllFieldsOf(FullAccounting()));
  const Json compress = ToJson(FromProto(FullCompressResponse()));
  EXPECT_THAT(compress, HasAllFieldsOf(FullCompressResponse()));
  EXPECT_THAT(compress, HasAllFieldsOf(FullContext()));
}

TEST(OutputTest, GroupsSecondsByPhase) {
  EXPECT_EQ(ToJson(FromProto(FullAccounting()))["seconds"].dump(),
            R"({"queue":0.01,"load":0.02,"prefill":0.03,"first_token":0.21,)"
            R"("decode":0.27,"total":0.48,"index":0.04,"search":0.05})");
}

TEST(OutputTest, NamesThePassages) {
  const Json chunks = ToJson(FromProto(FullAccounting()))["chunks"];
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_THAT(chunks[0], HasAllFieldsOf(FullAccounting().chunks(0)));
  v1::Accounting accounting = FullAccounting();
  accounting.set_mode(v1::MODE_HYBRID);
  accounting.set_compression_ratio(60.2);
  EXPECT_THAT(Summary(FromProto(accounting)),
              HasSubstr("10 gist tokens and 1 passage of 7 tokens stand for "
                        "1,024 (60x)"));
  accounting.set_mode(v1::MODE_RAG);
  EXPECT_THAT(Summary(FromProto(accounting)),
              HasSubstr("1 passage of 7 tokens stand for 1,024"));
}

TEST(OutputTest, NamesTheModeByItsFlag) {
  v1::Accounting accounting = FullAccounting();
  EXPECT_EQ(ToJson(FromProto(accounting))["mode"], "gist");
  accounting.set_mode(v1::MODE_FULL_CONTEXT);
  EXPECT_EQ(ToJson(FromProto(accounting))["mode"], "full");
}

TEST(OutputTest, PrintsErrorsOfAnyBytes) {
  const Json error = ToJson(absl::NotFoundError("no \"a\xff\""));
  EXPECT_EQ(error["code"], "NOT_FOUND");
  EXPECT_THAT(Print(error), HasSubstr("no \\\"a\xef\xbf\xbd\\\""));
}

TEST(OutputTest, ComparesGistsWithWhatTheyStandFor) {
  EXPECT_EQ(Summary(FromProto(FullAccounting())),
            "10 gist tokens stand for 1,024 (102x), 230 kB instead of 23.6 MB; "
            "first token 0.21 s, total 0.48 s; trained reader");
}

TEST(OutputTest, CountsTheTextOfAFullContextAnswer) {
  v1::Accounting accounting = FullAccounting();
  accounting.set_mode(v1::MODE_FULL_CONTEXT);
  accounting.set_context_tokens(1'024);
  accounting.set_cached_tokens(0);
  accounting.set_kv_bytes(23'592'960);
  EXPECT_THAT(Summary(FromProto(accounting)),
              HasSubstr("were read without the 9 between its beginning and "
                        "end, 23.6 MB"));
  accounting.set_truncated_tokens(0);
  EXPECT_EQ(Summary(FromProto(accounting)),
            "1,024 tokens of text were read in full, 23.6 MB; "
            "first token 0.21 s, total 0.48 s; trained reader");
  accounting.set_cached_tokens(1'024);
  EXPECT_THAT(Summary(FromProto(accounting)),
              HasSubstr("1,024 tokens of text were still in memory in full"));
}

TEST(OutputTest, SaysWhenAnAnswerWasCutOff) {
  v1::Accounting accounting = FullAccounting();
  EXPECT_THAT(Summary(FromProto(accounting)), Not(HasSubstr("cut off")));
  accounting.set_finish_reason("length");
  EXPECT_THAT(Summary(FromProto(accounting)),
              HasSubstr("cut off after 5 tokens, see --max-tokens"));
}

TEST(OutputTest, SaysWhetherACompressionCostAnything) {
  v1::CompressResponse response = FullCompressResponse();
  EXPECT_THAT(Summary(FromProto(response)), HasSubstr("it was there already"));
  response.set_cached(false);
  EXPECT_EQ(Summary(FromProto(response)),
            "1,024 tokens became 10 gist tokens (102x): 230 kB instead of "
            "23.6 MB; took 1.50 s");
}

TEST(OutputTest, ComparesModesInATable) {
  const std::string table = Details(FromProto(FullCompareResponse()));
  EXPECT_THAT(table, HasSubstr("mode    first token"));
  EXPECT_THAT(table, HasSubstr("2.00 MB  ABC123\n"));
  EXPECT_THAT(table, HasSubstr("full    too long\n"));
  EXPECT_THAT(table, HasSubstr("-  The key ...\n"));
  EXPECT_THAT(table, HasSubstr("agreement: gist/rag F1 0.25\n"));
  EXPECT_THAT(table, HasSubstr("other requests or a training ran meanwhile"));
}

TEST(OutputTest, ComparesModesAsJson) {
  const Json json = ToJson(FromProto(FullCompareResponse()));
  EXPECT_EQ(json["alone"], false);
  EXPECT_EQ(json["answers"][0]["mode"], "gist");
  EXPECT_EQ(json["answers"][0]["answer"], "ABC123");
  EXPECT_EQ(json["answers"][0]["peak_memory_bytes"], 2'000'000);
  EXPECT_EQ(json["answers"][1]["error"]["code"], "OUT_OF_RANGE");
  EXPECT_FALSE(json["answers"][2].contains("peak_memory_bytes"));
  EXPECT_EQ(json["agreements"][0].dump(),
            R"({"modes":["gist","rag"],"equal":false,"f1":0.25})");
}

}  // namespace
}  // namespace gist::client
