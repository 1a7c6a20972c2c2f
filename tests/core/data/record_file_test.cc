#include "core/data/record_file.h"

#include <algorithm>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

Record Sample() {
  Record record;
  record.context = "A \"text\".\n한글";
  record.question = "Which?";
  record.answer = "This";
  record.needle = "text";
  record.needle_position = 0.25;
  record.context_length_chars = 12;
  record.language = "en";
  record.frame = "passkey-en-01";
  record.tokens = 7;
  record.depth = 0.5;
  record.filler = "sample";
  record.seed = 18446744073709551615u;
  record.family = "passkey";
  return record;
}

TEST(RecordFileTest, WritesTheMissionsKeysFirst) {
  const auto line = nlohmann::ordered_json::parse(ToJsonLine(Sample()));
  std::vector<std::string> keys;
  for (const auto& [key, value] : line.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("context", "question", "answer", "needle",
                                "needle_position", "context_length_chars",
                                "language", "frame", "tokens", "depth",
                                "filler", "seed", "family"));
}

TEST(RecordFileTest, ReadsWhatItWrote) {
  const std::string line = ToJsonLine(Sample());
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto record = ParseRecord(line);
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(ToJsonLine(*record), line);
}

TEST(RecordFileTest, IsContentWithContextQuestionAndAnswer) {
  const auto records = ParseRecords(
      "{\"answer\":\"a\",\"question\":\"q\",\"context\":\"c\",\"more\":[1]}\r\n"
      "\n"
      "{\"answer\":\"b\",\"question\":\"q\",\"context\":\"c\"}",
      "mine.jsonl");
  ASSERT_THAT(records, IsOk());
  ASSERT_THAT(*records, SizeIs(2));
  EXPECT_EQ((*records)[1].answer, "b");
}

TEST(RecordFileTest, NamesFileLineAndKeyOfAnError) {
  const std::string good =
      "{\"answer\":\"a\",\"question\":\"q\",\"context\":\"c\"}\n";
  const auto error = [&](const std::string& line) {
    return std::string(
        Message(ParseRecords(good + "\n" + line, "mine.jsonl").status()));
  };
  EXPECT_THAT(error("{\"answer\":\"a\""),
              StartsWith("mine.jsonl:3: is not JSON"));
  EXPECT_THAT(error("\"\xff\""),
              StartsWith("mine.jsonl:3: is not JSON in UTF-8"));
  EXPECT_THAT(error("[]"), HasSubstr("is array, wanted a JSON object"));
  EXPECT_THAT(error("{\"context\":\"c\",\"question\":\"q\"}"),
              HasSubstr("no \"answer\""));
  EXPECT_THAT(error("{\"context\":\"\",\"question\":\"q\",\"answer\":\"a\"}"),
              HasSubstr("\"context\" is empty"));
  EXPECT_THAT(error("{\"context\":1,\"question\":\"q\",\"answer\":\"a\"}"),
              HasSubstr("\"context\" is number, wanted a string"));
  for (const char* tokens : {"-1", "1.5", "4294967296", "\"7\""}) {
    EXPECT_THAT(error(std::string("{\"context\":\"c\",\"question\":\"q\","
                                  "\"answer\":\"a\",\"tokens\":") +
                      tokens + "}"),
                HasSubstr("\"tokens\" is"));
  }
}

TEST(RecordFileTest, ReadsListsOfAnswersAndOptions) {
  const auto read = [](const std::string& more) {
    return ParseRecord("{\"context\":\"c\",\"question\":\"q\"," + more + "}");
  };
  const auto list = read("\"answers\":[\"a\",\"b\"]");
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->answer, "a");
  EXPECT_THAT(list->answers, ElementsAre("a", "b"));
  const auto both = read("\"answer\":\"b\",\"answers\":[\"a\",\"b\"]");
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(both->answers, ElementsAre("b", "a"));
  EXPECT_EQ(ToJsonLine(*ParseRecord(ToJsonLine(*both))), ToJsonLine(*both));
  const auto choice = read("\"answer\":\"x\",\"options\":[\"x\",\"y\",\"z\"]");
  ASSERT_THAT(choice, IsOk());
  EXPECT_THAT(choice->options, ElementsAre("x", "y", "z"));
  EXPECT_THAT(ToJsonLine(*choice), HasSubstr("\"options\":[\"x\""));
  for (const auto& [more, message] :
       {std::pair("\"answers\":[]", "holds 0 strings, wanted 1 or more"),
        {"\"answers\":\"a\"", "\"answers\" is string, wanted a list"},
        {"\"answers\":[\"\"]", "holds an empty string"},
        {"\"answers\":[1]", "\"answers\" is number, wanted strings"},
        {"\"answer\":\"a\",\"options\":[\"a\"]", "wanted 2 or more"},
        {"\"answer\":\"a\",\"options\":[\"b\",\"c\"]",
         "do not hold every right answer"}}) {
    EXPECT_THAT(
        read(more).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(RecordFileTest, RefusesFilesWithoutRecords) {
  EXPECT_THAT(ParseRecords("\n \n", "empty.jsonl").status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("empty.jsonl: holds no record")));
  EXPECT_THAT(ReadRecords("/nowhere/a.jsonl").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("a.jsonl")));
}

TEST(RecordFileTest, ReadsFiles) {
  const TempDir folder;
  std::ofstream(folder / "a.jsonl") << ToJsonLine(Sample());
  const auto records = ReadRecords(folder / "a.jsonl");
  ASSERT_THAT(records, IsOk());
  EXPECT_EQ((*records)[0].context, Sample().context);
}

}  // namespace
}  // namespace gist
