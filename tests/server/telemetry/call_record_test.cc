#include "server/telemetry/call_record.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr char kTrace[] =
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(CallIdsTest, ASaneRequestIdIsKept) {
  for (const char* const id : {"a", "order-17", "2f:1_x.Y", "12345"}) {
    EXPECT_EQ(ReadCallIds(id, "").request_id, id);
  }
  const std::string longest(64, 'a');
  EXPECT_EQ(ReadCallIds(longest, "").request_id, longest);
}

TEST(CallIdsTest, AHostileRequestIdIsReplaced) {
  const std::string huge(1 << 20, 'a');
  for (const std::string& id :
       {std::string(), std::string(65, 'a'), huge, std::string("a b"),
        std::string("a\nlevel=error"), std::string("\"quoted\""),
        std::string("a=b"), std::string("a\0b", 3), std::string("\xff\xfe"),
        std::string("\xEA\xB0\x80"), std::string("{}"), std::string("%s")}) {
    EXPECT_THAT(ReadCallIds(id, "").request_id, MatchesRegex("req_[0-9a-f]+"))
        << testing::PrintToString(id.substr(0, 80));
  }
}

TEST(CallIdsTest, MadeRequestIdsDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(ReadCallIds("", "").request_id);
  EXPECT_EQ(ids.size(), 1000u);
}

TEST(CallIdsTest, ATraceparentIsReadAndGivenBack) {
  const CallIds ids = ReadCallIds("", kTrace);
  EXPECT_EQ(ids.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(ids.span_id, "00f067aa0ba902b7");
  EXPECT_EQ(ids.traceparent, kTrace);
}

TEST(CallIdsTest, ALaterVersionIsReadAsTheFirst) {
  const std::string later = "cc" + std::string(kTrace).substr(2);
  EXPECT_EQ(ReadCallIds("", later).traceparent, kTrace);
  EXPECT_EQ(ReadCallIds("", later + "-more").traceparent, kTrace);
  EXPECT_EQ(ReadCallIds("", later + "more").traceparent, "");
}

TEST(CallIdsTest, AMalformedTraceparentIsLeftOut) {
  const std::string good = kTrace;
  std::string upper = good, no_trace = good, no_span = good;
  upper[4] = 'B';
  no_trace.replace(3, 32, 32, '0');
  no_span.replace(36, 16, 16, '0');
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "-x", good + "0", upper, no_trace,
        no_span, "ff" + good.substr(2), "0g" + good.substr(2),
        good + std::string(100000, 'a')}) {
    const CallIds ids = ReadCallIds("", bad);
    EXPECT_EQ(ids.trace_id + ids.span_id + ids.traceparent, "")
        << bad.substr(0, 80);
  }
}

TEST(CallIdsTest, EveryByteOfATraceparentIsLookedAt) {
  for (size_t i = 0; i < sizeof(kTrace) - 1; ++i) {
    for (const char wrong : {'\n', '"', '\0', 'G', '\xff'}) {
      std::string text = kTrace;
      text[i] = wrong;
      EXPECT_EQ(ReadCallIds("", text).traceparent, "") << "byte " << i;
    }
  }
}

TEST(LogValueTest, WhatCouldBeMistakenIsQuoted) {
  EXPECT_EQ(LogValue("req_1"), "req_1");
  EXPECT_EQ(LogValue("127.0.0.1:80"), "127.0.0.1:80");
  for (const char* const text :
       {"", "12", "-1e5", "true", "false", "null", "a b", "a=b"}) {
    EXPECT_EQ(LogValue(text), fmt::format("\"{}\"", text));
  }
  EXPECT_EQ(LogValue("a\"b\\c\nd"), R"("a\"b\\c\nd")");
}

TEST(CallRecordTest, ALineHasWhatTheCallWas) {
  CallRecord record("Ask", ReadCallIds("order-17", kTrace));
  record.mode = "gist";
  record.tenant = "blue";
  record.Add("answer_tokens", 12);
  record.AddSeconds("queue_seconds", 0.5);
  EXPECT_EQ(record.Line("OK", 1.25, ""),
            "rpc=Ask request_id=order-17 "
            "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 "
            "span_id=00f067aa0ba902b7 tenant=blue mode=gist code=OK "
            "seconds=1.2500 answer_tokens=12 queue_seconds=0.5000");
}

TEST(CallRecordTest, WhatIsNotKnownIsNotInTheLine) {
  const CallRecord record("GetContext", ReadCallIds("x", ""));
  const std::string line = record.Line("OK", 0, "");
  for (const char* const key :
       {"tenant=", "trace_id=", "rejected=", "error="}) {
    EXPECT_THAT(line, Not(HasSubstr(key)));
  }
}

TEST(CallRecordTest, AnErrorAndARejectionAreNamed) {
  CallRecord record("Ask", ReadCallIds("x", ""));
  record.rejected = "QUEUE_FULL";
  EXPECT_THAT(record.Line("INTERNAL", 0, "said \"no\"\nand more"),
              HasSubstr("rejected=QUEUE_FULL error=\"said \\\"no\\\"\\nand "
                        "more\""));
}

}  // namespace
}  // namespace gist
