#include "server/telemetry/logging.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/telemetry/call_record.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::MatchesRegex;

Json Parsed(std::string_view line) {
  const std::string json = LogfmtToJson("now", "info", line);
  EXPECT_EQ(json.find('\n'), json.npos) << json;
  return Json::parse(json);  // throws on what is not JSON
}

TEST(LogfmtToJsonTest, WordsAndPairsBecomeFields) {
  EXPECT_EQ(
      LogfmtToJson("2026-11-25T10:00:00.000Z", "info",
                   "gistd ready listen=127.0.0.1:50051 model=\"a b\" "
                   "contexts=3 share=0.5 cached=true"),
      R"({"ts":"2026-11-25T10:00:00.000Z","level":"info","msg":"gistd ready",)"
      R"("listen":"127.0.0.1:50051","model":"a b","contexts":3,"share":0.5,)"
      R"("cached":true})");
}

TEST(LogfmtToJsonTest, QuotedValuesAreUnescaped) {
  const std::string value = "say \"no\"\n\ttab \\ back = \x01 \xEA\xB0\x80 end";
  const Json json = Parsed(fmt::format("error={:?} next=1", value));
  EXPECT_EQ(json["error"], value);
  EXPECT_EQ(json["next"], 1);
}

TEST(LogfmtToJsonTest, BytesThatAreNoUtf8BecomeReplacements) {
  EXPECT_EQ(Parsed(fmt::format("error={:?}", "a\xff")).at("error"),
            "a\xEF\xBF\xBD");
}

TEST(LogfmtToJsonTest, NumbersInQuotesStayText) {
  EXPECT_EQ(Parsed("request_id=\"12\"").at("request_id"), "12");
  EXPECT_EQ(Parsed("request_id=" + LogValue("1e5")).at("request_id"), "1e5");
}

TEST(LogfmtToJsonTest, WhatDoesNotReadAsPairsIsKeptWhole) {
  for (const std::string line :
       {"", "a", "said a=\"no end", "a=\"x\"y", "A=1", "a=1 and words",
        "gone \"half", "=", "a==b c", "a=\"\\"}) {
    const Json json = Parsed(line);
    EXPECT_EQ(json["level"], "info") << line;
  }
  EXPECT_EQ(Parsed("a=1 and words").at("msg"), "a=1 and words");
}

TEST(LogfmtToJsonTest, AKeyThatIsThereAlreadyGetsATail) {
  const Json json = Parsed("level=debug ts=1 a=2 a=3");
  EXPECT_EQ(json["level"], "info");
  EXPECT_EQ(json["level_"], "debug");
  EXPECT_EQ(json["a"], 2);
  EXPECT_EQ(json["a_"], 3);
}

// No line, whatever its bytes, breaks out of its object.
TEST(LogfmtToJsonTest, EveryByteInEveryPlaceGivesOneObject) {
  const std::string line = "word key=value quoted=\"a b\" n=1";
  for (size_t at = 0; at < line.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = line;
      changed[at] = char(byte);
      EXPECT_TRUE(Parsed(changed).is_object());
    }
  }
}

class LoggingTest : public testing::Test {
 protected:
  ~LoggingTest() override { StartLogging(LogFormat::kText); }
  static std::string Logged(LogFormat format, const std::string& line) {
    testing::internal::CaptureStderr();
    StartLogging(format);
    SPDLOG_INFO("{}", line);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LoggingTest, TextIsLogfmt) {
  EXPECT_THAT(Logged(LogFormat::kText, "rpc=Ask seconds=0.1"),
              MatchesRegex("ts=[0-9T:.+-]+ level=info rpc=Ask seconds=0.1\n"));
}

TEST_F(LoggingTest, JsonIsOneObjectALine) {
  const std::string line = Logged(LogFormat::kJson, "rpc=Ask seconds=0.1");
  ASSERT_THAT(line, HasSubstr("}\n"));
  const Json json = Json::parse(line);
  EXPECT_THAT(json["ts"].get<std::string>(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:]+[.][0-9]+Z"));
  EXPECT_EQ(json["rpc"], "Ask");
  EXPECT_EQ(json["seconds"], 0.1);
}

TEST_F(LoggingTest, ACallsLineReadsTheSameInBothFormats) {
  CallRecord record("Ask", ReadCallIds("12345", ""));
  record.tenant = "blue \"sky\"";
  record.Add("answer_tokens", 12);
  const std::string line = record.Line("INTERNAL", 0.5, "it\nbroke");
  EXPECT_THAT(Logged(LogFormat::kText, line), HasSubstr(line + "\n"));
  const Json json = Json::parse(Logged(LogFormat::kJson, line));
  EXPECT_EQ(json["request_id"], "12345");
  EXPECT_EQ(json["tenant"], "blue \"sky\"");
  EXPECT_EQ(json["answer_tokens"], 12);
  EXPECT_EQ(json["seconds"], 0.5);
  EXPECT_EQ(json["error"], "it\nbroke");
}

}  // namespace
}  // namespace gist
