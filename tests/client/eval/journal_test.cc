#include "client/eval/journal.h"

#include <filesystem>
#include <fstream>

#include "client/terminal/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/eval/trials.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

class JournalTest : public testing::Test {
 protected:
  absl::StatusOr<Journal> Open(bool restart = false) {
    return Journal::Open(path_, settings_, 1'000, restart);
  }
  std::string Text() const { return ReadFile(path_); }
  void Put(const std::string& text) const {
    std::ofstream(path_, std::ios::binary) << text;
  }
  // Two trials of an earlier run.
  void Fill() {
    auto journal = Open();
    ASSERT_THAT(journal, IsOk());
    ASSERT_THAT(journal->Append(MakeTrial(1, {})), IsOk());
    ASSERT_THAT(
        journal->Append(MakeError(2, {.mode = Mode::kFull}, "too \"long\"\n")),
        IsOk());
  }

  TempDir folder_;
  const std::string path_ = folder_ / "results.json.journal";
  Json settings_ = {{"gists", {10}}, {"retrieval", {{"ef", 64}}}};
};

TEST_F(JournalTest, GivesBackWhatItTook) {
  Fill();
  auto journal = Journal::Open(path_, settings_, 2'000, false);
  ASSERT_THAT(journal, IsOk());
  EXPECT_EQ(journal->started_unix_ms(), 1'000);
  ASSERT_THAT(journal->trials(), SizeIs(2));
  EXPECT_EQ(ToJson(journal->trials()[0]), ToJson(MakeTrial(1, {})));
  EXPECT_EQ(journal->trials()[1].error,
            absl::OutOfRangeError("too \"long\"\n"));
  EXPECT_FALSE(journal->trials()[1].costs);
}

// Wherever a kill cut the last line, the lines before it are kept and the next
// one is whole.
TEST_F(JournalTest, DropsATornLastLineCutAnywhere) {
  Fill();
  const std::string whole = Text();
  const size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (size_t size = last; size < whole.size(); size += 7) {
    Put(whole.substr(0, size));
    {
      auto journal = Open();
      ASSERT_THAT(journal, IsOk()) << size;
      ASSERT_THAT(journal->trials(), SizeIs(1)) << size;
      ASSERT_THAT(journal->Append(MakeTrial(3, {})), IsOk());
    }
    auto again = Open();
    ASSERT_THAT(again, IsOk()) << size;
    ASSERT_THAT(again->trials(), SizeIs(2)) << size;
    EXPECT_EQ(again->trials()[1].sample, MakeTrial(3, {}).sample);
  }
}

TEST_F(JournalTest, BeginsAnewWhereNotEvenTheFirstLineIsWhole) {
  Put("{\"format\":\"gistd-ev");
  auto journal = Open();
  ASSERT_THAT(journal, IsOk());
  EXPECT_THAT(journal->trials(), SizeIs(0));
  EXPECT_THAT(Text(), HasSubstr("\"settings\":{\"gists\":[10]"));
}

TEST_F(JournalTest, RefusesOtherSettingsAndNamesThem) {
  Fill();
  settings_["retrieval"]["ef"] = 128;
  EXPECT_THAT(Open().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("\"retrieval/ef\": 64 there, 128 now"),
                             HasSubstr("--restart"))));
  settings_ = {{"gists", {10, 25}}, {"retrieval", {{"ef", 64}}}};
  EXPECT_THAT(Open().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("\"gists/1\": none there, 25 now")));
  ASSERT_THAT(Open(/*restart=*/true), IsOk());
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(JournalTest, NamesADamagedLine) {
  Fill();
  std::string text = Text();
  text[text.find('\n') + 1] = 'x';
  Put(text);
  EXPECT_THAT(Open().status(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("results.json.journal:2: is no record")));
  Put("{\"answer\": 1}\n");
  EXPECT_THAT(Open().status(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("journal:1: is no journal of gist eval")));
}

TEST_F(JournalTest, HasOneWriterAtATime) {
  auto first = Open();
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Open().status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                        HasSubstr("another gist eval")));
}

TEST_F(JournalTest, SaysWhereItCannotBe) {
  const auto journal =
      Journal::Open(folder_ / "none/journal", settings_, 1, false);
  EXPECT_TRUE(IsLocal(journal.status()));
  EXPECT_THAT(journal.status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none/journal")));
}

// As an earlier version named the answer adapter: "reader", frozen or trained.
Json OldNames(const Trial& trial) {
  Json json = ToJson(trial);
  json["reader"] = OldAnswerAdapterName(trial.answer_adapter);
  json.erase("answer_adapter");
  return json;
}

TEST_F(JournalTest, GoesOnFromAJournalOfOldNames) {
  const Trial on = MakeTrial(1, {.answer_adapter = AnswerAdapter::kOn});
  const Json header = {{"format", "gistd-eval-journal/1"},
                       {"started_unix_ms", 5},
                       {"settings",
                        {{"gists", {10}},
                         {"readers", {"frozen", "trained"}},
                         {"reader_fingerprint", "f0"}}}};
  Put(header.dump() + "\n" + OldNames(on).dump() + "\n");
  settings_ = {{"gists", {10}},
               {"answer_adapters", {"off", "on"}},
               {"answer_adapter_fingerprint", "f0"}};
  {
    const auto journal = Open();
    ASSERT_THAT(journal, IsOk());
    ASSERT_THAT(journal->trials(), SizeIs(1));
    EXPECT_EQ(ToJson(journal->trials()[0]), ToJson(on));
  }
  settings_["answer_adapters"] = {"off"};
  EXPECT_THAT(Open().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("\"answer_adapters/1\": \"on\" there")));
}

TEST(TrialTest, ReadsOldNames) {
  const Trial on = MakeTrial(1, {.answer_adapter = AnswerAdapter::kOn});
  const Trial off = MakeTrial(2, {});
  for (const Trial& trial : {on, off}) {
    const auto read = TrialFromJson(OldNames(trial));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->answer_adapter, trial.answer_adapter);
  }
  Json wrong = ToJson(off);
  wrong["answer_adapter"] = "trained";
  EXPECT_THAT(TrialFromJson(wrong).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("trained")));
}

TEST(TrialTest, IsTheSameAfterJson) {
  Trial trial = MakeTrial(5, {.mode = Mode::kHybrid, .gists = 25});
  trial.passages = 4;
  trial.uncontended = false;
  trial.choice = "order";
  const auto back = TrialFromJson(Json::parse(ToJson(trial).dump()));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(ToJson(*back), ToJson(trial));
  EXPECT_THAT(TrialFromJson(Json::object()).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sample")));
  Json wrong = ToJson(trial);
  wrong["mode"] = "magic";
  EXPECT_THAT(TrialFromJson(wrong).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("magic")));
}

TEST(TrialTest, ClassesLengthsAndDepths) {
  const std::pair<int64_t, int64_t> lengths[] = {
      {0, 0},         {1, 256},        {256, 256},   {257, 512},
      {513, 1024},    {1025, 2048},    {2049, 3072}, {8192, 8192},
      {8193, 16'384}, {40'000, 65'536}};
  for (const auto& [tokens, length] : lengths) {
    EXPECT_EQ(LengthClass(tokens), length) << tokens;
  }
  EXPECT_EQ(DepthFifth(0), 0);
  EXPECT_EQ(DepthFifth(0.2), 1);
  EXPECT_EQ(DepthFifth(0.99), 4);
  EXPECT_EQ(DepthFifth(1), 4);
  EXPECT_EQ(DepthFifth(-1e300), 0);
  EXPECT_EQ(DepthFifth(1e300), 4);
}

}  // namespace
}  // namespace gist::client
