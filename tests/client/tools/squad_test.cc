#include "client/tools/squad.h"

#include <fstream>

#include "core/data/record_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Two paragraphs: one of version 2, one of version 1 in Korean.
constexpr char kSquad[] = R"({"version": "v2.0", "data": [{"title": "T",
  "paragraphs": [
    {"context": "Ada wrote the first program in 1843.",
     "qas": [
       {"id": "1", "question": "Who wrote it?", "is_impossible": false,
        "answers": [{"text": "Ada", "answer_start": 0},
                    {"text": "Ada", "answer_start": 0},
                    {"text": "Ada wrote", "answer_start": 0}]},
       {"id": "2", "question": "When?", "is_impossible": false,
        "answers": [{"text": "1843", "answer_start": 31}]},
       {"id": "3", "question": "Who sold it?", "is_impossible": true,
        "answers": [],
        "plausible_answers": [{"text": "Ada", "answer_start": 0}]}]},
    {"context": "서울은 한국의 수도이다.",
     "qas": [
       {"id": 4, "question": "한국의 수도는?",
        "answers": [{"text": "서울", "answer_start": 0}]},
       {"id": 5, "question": "일본의 수도는?", "answers": []}]}]}]})";

TEST(SquadTest, ReadsBothVersions) {
  const auto squad = ParseSquad(kSquad, "");
  ASSERT_THAT(squad, IsOk());
  EXPECT_EQ(squad->answerable, 3);
  EXPECT_EQ(squad->unanswerable, 2);
  ASSERT_THAT(squad->records, SizeIs(5));
  const Record& who = squad->records[0];
  EXPECT_EQ(who.context, "Ada wrote the first program in 1843.");
  EXPECT_EQ(who.context_length_chars, 36);
  EXPECT_EQ(who.answer, "Ada");
  EXPECT_THAT(who.answers, ElementsAre("Ada", "Ada wrote"));
  EXPECT_EQ(who.language, "en");
  EXPECT_EQ(who.family, "");
  EXPECT_EQ(squad->records[1].answer, "1843");
  EXPECT_THAT(squad->records[1].answers, IsEmpty());
  EXPECT_EQ(squad->records[2].family, "absent");
  EXPECT_EQ(squad->records[2].answer, "Not mentioned.");
  EXPECT_EQ(squad->records[3].language, "ko");
  EXPECT_EQ(squad->records[3].answer, "서울");
  EXPECT_EQ(squad->records[3].context_length_chars, 13);
  EXPECT_EQ(squad->records[4].family, "absent");
  EXPECT_EQ(squad->records[4].answer, "언급되지 않았습니다.");
}

TEST(SquadTest, TakesALanguageThatIsGiven) {
  const auto squad = ParseSquad(kSquad, "de");
  ASSERT_THAT(squad, IsOk());
  for (const Record& record : squad->records) {
    EXPECT_EQ(record.language, "de");
  }
}

TEST(SquadTest, NamesThePlaceOfAMistake) {
  const auto paragraph = [](const std::string& inside) {
    return R"({"data": [{"paragraphs": [)" + inside + "]}]}";
  };
  const auto question = [&](const std::string& inside) {
    return paragraph(R"({"context": "c", "qas": [)" + inside + "]}");
  };
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"{", "is not JSON in UTF-8"},
      {"[]", "the file: no list \"data\""},
      {R"({"data": [1]})", "data[0]: no list \"paragraphs\""},
      {R"({"data": []})", "holds no question"},
      {paragraph(R"({"qas": []})"),
       "data[0].paragraphs[0]: no string \"context\""},
      {paragraph(R"({"context": "c"})"), "no list \"qas\""},
      {question("{}"), "data[0].paragraphs[0].qas[0]: no string \"question\""},
      {question(R"({"question": " "})"), "\"question\" is empty"},
      {question(R"({"question": "q", "answers": [{"text": ""}]})"),
       "\"text\" is empty"},
      {question(R"({"question": "q", "answers": ["a"]})"),
       "no string \"text\""},
      {question(R"({"question": "q", "answers": {}})"), "no list \"answers\""}};
  for (const auto& [json, message] : wrong) {
    EXPECT_THAT(ParseSquad(json, "").status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(message), HasSubstr("SQuAD"))))
        << json;
  }
}

TEST(SquadTest, WritesWhatEvalReads) {
  const TempDir folder;
  std::ofstream(folder / "dev.json") << kSquad;
  SquadArguments arguments{.file = folder / "dev.json",
                           .out = folder / "dev.jsonl"};
  ASSERT_THAT(RunSquad(arguments), IsOk());
  const auto records = ReadRecords(folder / "dev.jsonl");
  ASSERT_THAT(records, IsOk());
  ASSERT_THAT(*records, SizeIs(5));
  EXPECT_THAT((*records)[0].answers, ElementsAre("Ada", "Ada wrote"));
  EXPECT_EQ((*records)[4].family, "absent");
  EXPECT_THAT(RunSquad(arguments),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--force")));
  arguments.overwrite = true;
  EXPECT_THAT(RunSquad(arguments), IsOk());
  arguments.file = folder / "none.json";
  EXPECT_THAT(RunSquad(arguments),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.json")));
}

}  // namespace
}  // namespace gist::client
