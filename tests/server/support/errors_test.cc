// Reasons: the table, the proto and the page say the same; and what of them
// arrives at a client.
#include "server/support/errors.h"

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "gist/v1/error_reason.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/grpc/proto_convert.h"
#include "server/grpc/status.h"
#include "tests/server/grpc/raw_call.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(ReasonsTest, TheProtoListsTheSame) {
  std::set<std::string> table, proto;
  for (const ReasonInfo& info : AllReasons()) table.insert(info.name);
  const auto* const reasons = v1::ErrorReason_descriptor();
  for (int i = 0; i < reasons->value_count(); ++i) {
    if (reasons->value(i)->number() != 0) {
      constexpr std::string_view kPrefix = "ERROR_REASON_";
      const std::string name = reasons->value(i)->name();
      ASSERT_TRUE(name.starts_with(kPrefix)) << name;
      proto.insert(name.substr(kPrefix.size()));
    }
  }
  EXPECT_EQ(table, proto);
  EXPECT_EQ(table.size(), AllReasons().size());
}

TEST(ReasonsTest, NamesAreAsErrorInfoWantsThem) {
  const std::regex upper_snake("[A-Z][A-Z0-9_]{1,61}[A-Z0-9]");
  for (const ReasonInfo& info : AllReasons()) {
    EXPECT_TRUE(std::regex_match(info.name, upper_snake)) << info.name;
  }
}

// | `REASON` | `CODE` | 5 s | meaning | next step |
TEST(ReasonsTest, ThePageHasARowForEach) {
  std::ifstream page("docs/errors.md");
  ASSERT_TRUE(page) << "run in the repository's root";
  const std::regex row(
      R"(\| `([A-Z_]+)` \| `([A-Z_]+)` \| (?:(\d+) s )?\| ([^|]+) \|(.*)\|)");
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(page, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    const std::string seconds = match[3].matched ? match[3].str() : "0";
    EXPECT_TRUE(rows.emplace(match[1], match[2].str() + " " + seconds).second)
        << line;
  }
  std::map<std::string, std::string> wanted;
  for (const ReasonInfo& info : AllReasons()) {
    wanted[info.name] = std::string(CodeName(info.code)) + " " +
                        std::to_string(info.retry_delay.count() / 1000);
  }
  EXPECT_EQ(rows, wanted);
}

google::rpc::Status RichOf(const absl::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(ToGrpc(status).error_details()));
  return rich;
}

TEST(ToGrpcTest, EveryCodeHasOneErrorInfo) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpc(absl::Status(StatusCode(code), "what, why, what next"));
    EXPECT_EQ(int(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "what, why, what next");
    EXPECT_THAT(ReasonOf(status), testing::MatchesRegex("[A-Z_]+")) << code;
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
}

TEST(ToGrpcTest, WhatMayBeRetriedSaysWhen) {
  for (const ReasonInfo& info : AllReasons()) {
    const google::rpc::Status rich = RichOf(Error(info.reason, "x"));
    google::rpc::RetryInfo retry;
    bool has_retry = false;
    for (const auto& detail : rich.details()) {
      has_retry = has_retry || detail.UnpackTo(&retry);
    }
    EXPECT_EQ(has_retry, info.retry_delay.count() > 0) << info.name;
    EXPECT_EQ(retry.retry_delay().seconds() * 1000 +
                  retry.retry_delay().nanos() / 1'000'000,
              info.retry_delay.count())
        << info.name;
  }
}

TEST(ToGrpcTest, AFieldThatIsToBlameIsNamed) {
  const google::rpc::Status rich =
      RichOf(InvalidField("retrieval.top_k", "top_k is 0"));
  google::rpc::BadRequest bad;
  ASSERT_EQ(rich.details_size(), 2);
  ASSERT_TRUE(rich.details(1).UnpackTo(&bad));
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "retrieval.top_k");
  EXPECT_EQ(bad.field_violations(0).description(), "top_k is 0");
}

TEST(ErrorTest, ReasonMetadataAndFieldSurviveANewMessage) {
  const absl::Status first =
      Error(Reason::kQueueFull, "full", {{"maxRequests", "64"}});
  for (const absl::Status& status :
       {first, Within("ask", first), WithMessage(first, "other")}) {
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(DetailsOf(status).reason, Reason::kQueueFull);
    EXPECT_THAT(DetailsOf(status).metadata,
                ElementsAre(Pair("maxRequests", "64")));
  }
  EXPECT_EQ(DetailsOf(Within("x", InvalidField("text", "empty"))).field,
            "text");
}

TEST(ToGrpcTest, ALongMessageIsCutBetweenCharacters) {
  std::string message;
  for (int i = 0; i < 1000; ++i) message += "\xEB\xB9\x84";
  const grpc::Status status = ToGrpc(absl::InternalError(message));
  EXPECT_EQ(status.error_message().size(), 1023u);
  EXPECT_EQ(ReasonOf(status), "INTERNAL_ERROR");
}

}  // namespace
}  // namespace gist
