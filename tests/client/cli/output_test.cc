#include "client/cli/output.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli/json_fields.h"
#include "tests/client/scripted_server.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::Not;

Comparison FullComparison() {
  Comparison comparison;
  for (const v1::CompareResponse& message : FullCompareResponses()) {
    if (message.has_answer()) comparison.answers.push_back(message.answer());
    if (message.has_summary()) comparison.summary = message.summary();
  }
  return comparison;
}

TEST(JsonPrinterTest, SaysAllThatTheServerSaid) {
  EXPECT_THAT(ToJson(FullContext()), HasAllFieldsOf(FullContext()));
  EXPECT_THAT(ToJson(FullServerInfo()), HasAllFieldsOf(FullServerInfo()));
  EXPECT_THAT(ToJson(FullResult()), HasAllFieldsOf(FullResult()));
  EXPECT_THAT(ToJson(FullCompressResponse()),
              HasAllFieldsOf(FullCompressResponse()));
}

TEST(JsonPrinterTest, KeepsTheOrderAndTheNumbersOfTheProto) {
  v1::Backup backup;
  backup.set_name("b");
  backup.set_created_unix_ms(1'700'000'000'123);
  EXPECT_EQ(ToJson(backup).dump(),
            R"({"name":"b","created_unix_ms":1700000000123,)"
            R"("backup_bytes":0,"files":0})");
  v1::TrainRequest request;
  request.set_seed(~uint64_t{0});
  EXPECT_EQ(ToJson(request)["seed"].dump(), "18446744073709551615");
}

TEST(JsonPrinterTest, LeavesOutWhatHasPresenceAndIsNotSet) {
  const Json verdict = ToJson(v1::Verdict());
  EXPECT_EQ(verdict.dump(),
            R"({"refused":false,"grounded":"unspecified","evidence":[]})");
  v1::RetentionPolicy policy;
  policy.set_expire_unix_ms(0);
  EXPECT_EQ(ToJson(policy).dump(), R"({"expire_unix_ms":0})");
}

TEST(JsonPrinterTest, ShortensNamesOfEnumValues) {
  v1::Training training;
  training.set_state(v1::TRAINING_STATE_QUEUED);
  EXPECT_EQ(ToJson(training)["state"], "queued");
  v1::TrainEvent event;
  event.set_kind(v1::TrainEvent::KIND_STAGE_ENDED);
  EXPECT_EQ(ToJson(event)["kind"], "stage_ended");
  v1::AskResult result;
  result.set_mode_used(v1::MODE_FULL);
  result.set_rung_used(v1::Representation::RUNG_TEXT);
  EXPECT_EQ(ToJson(result)["mode_used"], "full");
  EXPECT_EQ(ToJson(result)["rung_used"], "text");
  result.set_mode_used(v1::Mode(77));
  // Of a newer server.
  EXPECT_EQ(ToJson(result)["mode_used"], "unknown_enum_value_mode_77");
}

TEST(OutputTest, PutsTheVerdictBesideTheAnswer) {
  const Json json = AnswerJson("Not mentioned.", {"ctx_1"}, FullResult());
  EXPECT_EQ(json["answer"], "Not mentioned.");
  EXPECT_EQ(json["refused"], true);
  EXPECT_EQ(json["confidence"], 0.75);
  EXPECT_EQ(json["grounded"], "not_checked");
  EXPECT_EQ(json["evidence"][0]["text"], "proof");
  EXPECT_EQ(json["mode_used"], "gist");
  EXPECT_EQ(json["context_ids"], Json::array({"ctx_1"}));
  EXPECT_EQ(json["usage"]["prefilled_tokens"], 7);
  EXPECT_EQ(json["timings"]["first_token_seconds"], 0.21);
  EXPECT_FALSE(json.contains("verdict"));
  EXPECT_EQ(AnswerJson("", {}, {})["refused"], false);
  EXPECT_FALSE(AnswerJson("", {}, {}).contains("confidence"));
}

TEST(OutputTest, NamesThePassages) {
  v1::AskResult result = FullResult();
  result.set_mode_used(v1::MODE_HYBRID);
  result.mutable_usage()->set_compression_ratio(60.2);
  EXPECT_THAT(Summary(result),
              HasSubstr("10 gist tokens and 1 passage of 7 tokens stand for "
                        "1,024 (60x)"));
  result.set_mode_used(v1::MODE_RAG);
  result.mutable_usage()->set_loaded_slots(0);
  EXPECT_THAT(Summary(result),
              testing::StartsWith("1 passage of 7 tokens stand for 1,024"));
}

TEST(OutputTest, PrintsErrorsOfAnyBytes) {
  const Json error = ToJson(absl::NotFoundError("no \"a\xff\""));
  EXPECT_EQ(error["code"], "NOT_FOUND");
  EXPECT_THAT(Print(error), HasSubstr("no \\\"a\xef\xbf\xbd\\\""));
}

TEST(OutputTest, ComparesGistsWithWhatTheyStandFor) {
  EXPECT_EQ(Summary(FullResult()),
            "10 gist tokens stand for 1,024 (102x), 230 kB instead of 23.6 MB; "
            "first token 0.21 s, total 0.48 s; answer adapter");
}

TEST(OutputTest, CountsTheTextOfAnAnswerFromAllOfIt) {
  v1::AskResult result = FullResult();
  v1::Usage& usage = *result.mutable_usage();
  result.set_mode_used(v1::MODE_FULL);
  usage.set_prefilled_tokens(1'024);
  usage.set_loaded_slots(0);
  usage.set_cached_tokens(0);
  usage.set_kv_bytes(23'592'960);
  EXPECT_THAT(Summary(result),
              HasSubstr("were read without the 9 between its beginning and "
                        "end, 23.6 MB"));
  usage.set_truncated_tokens(0);
  EXPECT_EQ(Summary(result),
            "1,024 tokens of text were read in full, 23.6 MB; "
            "first token 0.21 s, total 0.48 s; answer adapter");
  usage.set_cached_tokens(1'024);
  EXPECT_THAT(Summary(result),
              HasSubstr("1,024 tokens of text were still in memory in full"));
}

TEST(OutputTest, SaysWhenAnAnswerWasCutOff) {
  v1::AskResult result = FullResult();
  EXPECT_THAT(Summary(result), Not(HasSubstr("cut off")));
  result.set_finish_reason(v1::FINISH_REASON_LENGTH);
  EXPECT_THAT(Summary(result),
              HasSubstr("cut off after 5 tokens, see --max-tokens"));
}

TEST(OutputTest, SaysWhetherACompressionCostAnything) {
  v1::CompressResponse response = FullCompressResponse();
  EXPECT_THAT(Summary(response), HasSubstr("it was there already"));
  response.set_cached(false);
  EXPECT_EQ(Summary(response),
            "1,024 tokens became 10 gist tokens (102x): 230 kB instead of "
            "23.6 MB; took 0.48 s");
}

TEST(OutputTest, SaysWhatAContextHolds) {
  Context context = FullContext();
  EXPECT_EQ(Held(context), "text, gist 10");
  v1::Representation& full = *context.add_representations();
  full.set_rung(v1::Representation::RUNG_FULL);
  full.set_storage(v1::STORAGE_I8);
  full.set_kv_slots(1'024);
  full.set_kv_bytes(12'000'000);
  full.set_ratio(1);
  EXPECT_EQ(Held(context), "text, gist 10, full i8");
  EXPECT_EQ(KvBytesOf(context), 12'230'400);
  const std::string details = Details(context);
  EXPECT_THAT(details, HasSubstr("gist 10              10 slots (102x), 230 kB "
                                 "instead of 23.6 MB, imported\n"));
  EXPECT_THAT(details, HasSubstr("full i8              1,024 slots (1.0x)"));
  context.clear_representations();
  EXPECT_EQ(Held(context), "text");
  EXPECT_THAT(TableRow(context), HasSubstr("  0 B  "));
  EXPECT_EQ(Summary(context), "imported a document of 1,024 tokens: text");
}

TEST(OutputTest, SaysWhatAddingTook) {
  v1::AddDocumentResponse response = FullAddResponse();
  EXPECT_EQ(Summary(response),
            "1,024 tokens of text, 5.00 kB; they were there already");
  response.set_cached(false);
  EXPECT_THAT(Summary(response), HasSubstr("; took 0.48 s"));
  EXPECT_THAT(ToJson(FullAddResponse()), HasAllFieldsOf(FullAddResponse()));
}

TEST(OutputTest, SaysThatAServerHasNoAdapter) {
  ServerInfo info = FullServerInfo();
  EXPECT_THAT(Details(info), HasSubstr("10 unless asked otherwise"));
  info.clear_adapter_name();
  info.clear_adapter_fingerprint();
  info.clear_gist_tokens();
  EXPECT_THAT(Details(info), HasSubstr("none: modes full and rag answer"));
  EXPECT_THAT(Details(info), Not(HasSubstr("unless asked otherwise")));
}

TEST(OutputTest, ComparesModesInATable) {
  const std::string table = Details(FullComparison());
  EXPECT_THAT(table, HasSubstr("mode    first token"));
  EXPECT_THAT(table, HasSubstr("2.00 MB  ABC123\n"));
  EXPECT_THAT(table, HasSubstr("full    too long\n"));
  EXPECT_THAT(table, HasSubstr("-  The key ...\n"));
  EXPECT_THAT(table, HasSubstr("agreement: gist/rag contains, F1 0.25\n"));
  EXPECT_THAT(table, HasSubstr("other requests or a training ran meanwhile"));
}

TEST(OutputTest, ComparesModesAsJson) {
  const Json json = ToJson(FullComparison());
  EXPECT_EQ(json["uncontended"], false);
  EXPECT_EQ(json["answers"][0]["mode"], "gist");
  EXPECT_EQ(json["answers"][0]["answer"], "ABC123");
  EXPECT_EQ(json["answers"][0]["result"]["usage"]["loaded_slots"], 10);
  EXPECT_EQ(json["answers"][0]["peak_memory_bytes"], 2'000'000);
  EXPECT_EQ(json["answers"][1]["error"]["code"], "OUT_OF_RANGE");
  EXPECT_EQ(json["answers"][1]["error"]["reason"], "CONTEXT_WINDOW_EXCEEDED");
  EXPECT_FALSE(json["answers"][2].contains("peak_memory_bytes"));
  EXPECT_EQ(
      json["agreements"][0].dump(),
      R"({"a":"gist","b":"rag","equal":false,"contains":true,"f1":0.25})");
}

}  // namespace
}  // namespace gist::client
