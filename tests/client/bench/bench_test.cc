// `gist bench`: its figures, and the real executable against a scripted server.
#include "client/bench/command.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

BenchFigures SomeFigures() {
  BenchFigures figures;
  figures.compress = {{{100, 102}, {0.5, 1}, {200, 102}, {1.1, 1.2}},
                      {.tokens = {},
                       .seconds = {},
                       .tokens_per_second = {},
                       .over_prefill = {}}};
  figures.first_token = {{Mode::kGist, {100, 102}, {0.2, 0.4}, {0.1, 0.1}}};
  figures.decode = {{Mode::kFull, {100}, {20}}};
  figures.answers = {{1, {20, 30}}, {8, {100, 120}}};
  figures.overhead = {0.001, 0.002, 0.009};
  return figures;
}

TEST(BenchFiguresTest, TakesTheMiddleValueOrTheMeanOfBoth) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
}

TEST(BenchFiguresTest, BecomeJsonWithNullWhereNothingWasMeasured) {
  const Json json = ToJson(SomeFigures(), {}, FullServerInfo());
  EXPECT_EQ(json["compress"][0]["tokens"], 101);
  EXPECT_EQ(json["compress"][0]["over_prefill"]["max"], 1.2);
  EXPECT_EQ(json["compress"][0]["seconds"]["values"], Json({0.5, 1.0}));
  EXPECT_TRUE(json["compress"][1]["tokens"].is_null());
  EXPECT_TRUE(json["compress"][1]["seconds"].is_null());
  EXPECT_EQ(json["first_token"][0]["mode"], "gist");
  EXPECT_EQ(json["decode"][0]["tokens_per_second"]["median"], 20);
  EXPECT_EQ(json["answers"][1]["at_once"], 8);
  EXPECT_EQ(json["overhead_seconds"]["median"], 0.002);
}

TEST(BenchFiguresTest, BecomeARowEach) {
  const std::string table = BenchTable(SomeFigures());
  EXPECT_THAT(table, HasSubstr("first token of 101, gist, ms"));
  EXPECT_THAT(table, HasSubstr("compress 0, tokens/s"));
  EXPECT_THAT(table, HasSubstr("8 at once, tokens/s"));
  EXPECT_THAT(table, HasSubstr("call beyond the engine, ms"));
}

TEST(BenchPictureTest, DrawsAPanelForEachPartThatWasMeasured) {
  const std::string all = DrawBench(SomeFigures());
  EXPECT_THAT(all, StartsWith("<svg xmlns="));
  for (const char* caption : {"First token", "Compress", "One answer",
                              "Answers together", "full context"}) {
    EXPECT_THAT(all, HasSubstr(caption));
  }
  BenchFigures some = SomeFigures();
  some.answers.clear();
  EXPECT_THAT(DrawBench(some), Not(HasSubstr("Answers together")));
  EXPECT_THAT(DrawBench({}), StartsWith("<svg xmlns="));
}

class BenchCliTest : public testing::Test {
 protected:
  BenchCliTest() {
    server_.script->info = FullServerInfo();
    server_.script->add.mutable_context()->set_context_id("ctx_added");
    server_.script->add.mutable_context()->set_document_tokens(1000);
    server_.script->on_compress = [](const v1::CompressRequest& request) {
      v1::CompressResponse response;
      response.mutable_context()->set_context_id("ctx_compressed");
      response.mutable_context()->set_document_tokens(
          int64_t(request.text().size()) / 4);
      response.mutable_timings()->set_prefill_seconds(1e-6);
      return response;
    };
    server_.script->answer = {"Twelve", "."};
    server_.script->result = FullResult();
  }
  GistResult Bench(std::vector<std::string> more) const {
    std::vector<std::string> words = {"bench", "--lengths", "100"};
    words.insert(words.end(), more.begin(), more.end());
    return RunGist(words, {.environment = {"GIST_SERVER=" + server_.target()}});
  }

  ScriptedServer server_;
  TempDir folder_;
};

TEST_F(BenchCliTest, MeasuresWhatWasAskedForAndDeletesWhatItMade) {
  const GistResult result =
      Bench({"--json", "--only", "compress,first_token", "--modes", "gist,full",
             "--rounds", "2", "--repeats", "3", "--svg", folder_ / "a.svg"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_THAT(json["compress"], SizeIs(1));
  EXPECT_GT(json["compress"][0]["over_prefill"]["min"], 1);
  EXPECT_THAT(json["first_token"], SizeIs(2));
  EXPECT_THAT(json["first_token"][1]["again_seconds"]["values"], SizeIs(6));
  EXPECT_THAT(json["decode"], SizeIs(0));
  EXPECT_THAT(json["overhead_seconds"]["values"], SizeIs(12));
  EXPECT_THAT(server_.received->ask, SizeIs(16));
  EXPECT_THAT(server_.received->deleted, SizeIs(3));
  EXPECT_THAT(result.err, HasSubstr("round 2 of 2: a text of 100 tokens"));
}

TEST_F(BenchCliTest, CompressesAnotherTextInEachRound) {
  ASSERT_EQ(Bench({"--only", "compress", "--rounds", "3"}).exit_code, 0);
  const auto sent = server_.received->compress;
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_NE(sent[0].text(), sent[1].text());
  EXPECT_NE(sent[1].text(), sent[2].text());
}

TEST_F(BenchCliTest, AsksManyAtOnce) {
  const GistResult result = Bench(
      {"--json", "--only", "answers", "--rounds", "1", "--at-once", "1,8"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["answers"][1]["at_once"], 8);
  EXPECT_THAT(server_.received->ask, SizeIs(9));
}

TEST_F(BenchCliTest, DeletesWhatItMadeAfterAnErrorToo) {
  server_.script->errors["Ask"] = {grpc::StatusCode::FAILED_PRECONDITION,
                                   "no embedder"};
  const GistResult result =
      Bench({"--only", "first_token", "--modes", "rag", "--rounds", "1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("no embedder"));
  EXPECT_THAT(server_.received->deleted, SizeIs(2));
}

TEST_F(BenchCliTest, RefusesUnknownPartsAndCounts) {
  EXPECT_EQ(Bench({"--only", "everything"}).exit_code, 2);
  EXPECT_EQ(Bench({"--rounds", "0"}).exit_code, 2);
  EXPECT_EQ(Bench({"--at-once", "1000"}).exit_code, 2);
}

}  // namespace
}  // namespace gist::client
