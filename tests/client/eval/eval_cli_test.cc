// `gist eval`, the real executable, against a scripted server.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "client/eval/results.h"
#include "core/data/zstd_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string ContextIdOf(const std::string& text) {
  return "ctx_" + std::string(24, '0') + text.substr(text.size() - 8);
}

class EvalCliTest : public testing::Test {
 protected:
  // Document i ends in its passkey, "KEY0000i"; the server's answer in every
  // mode but full is that key.
  EvalCliTest() {
    std::ofstream data(data_);
    for (int i = 0; i < 4; ++i) {
      const std::string key = fmt::format("KEY{:05}", i);
      data << Json({{"context", "It rains. The key is " + key},
                    {"question", "Which key?"},
                    {"answer", key},
                    {"needle", "The key is " + key},
                    {"needle_position", 0.25 * i},
                    {"language", i % 2 == 0 ? "en" : "ko"},
                    {"family", "passkey"},
                    {"tokens", 900 + i}})
                  .dump()
           << "\n";
    }
    Script(server_);
  }

  static void Script(ScriptedServer& server) {
    server.script->info = FullServerInfo();
    server.script->on_compress = [](const v1::CompressRequest& request) {
      v1::CompressResponse response;
      *response.mutable_context() = FullContext();
      response.mutable_context()->set_context_id(ContextIdOf(request.text()));
      response.mutable_context()->mutable_representations(0)->set_kv_slots(
          request.representation().gist_tokens());
      return response;
    };
    server.script->on_compare = Compare;
  }

  static std::vector<v1::CompareResponse> Compare(
      const v1::CompareRequest& request) {
    std::vector<v1::CompareResponse> messages(2);
    v1::ModeAnswer& answer = *messages[0].mutable_answer();
    messages[1].mutable_summary()->set_uncontended(true);
    answer.set_mode(request.modes(0));
    const std::string& id = request.context_ids(0);
    if (request.modes(0) == v1::MODE_FULL) {
      answer.mutable_error()->set_code(int(grpc::StatusCode::OUT_OF_RANGE));
      answer.mutable_error()->set_message(
          "8,193 tokens, the model takes 8,192");
      return messages;
    }
    answer.set_answer(id.substr(id.size() - 8));
    *answer.mutable_result() = FullResult();
    answer.mutable_result()->set_mode_used(request.modes(0));
    answer.set_peak_memory_bytes(5'000'000);
    return messages;
  }

  std::vector<std::string> Command(std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"eval",    "--dataset", data_,
                                      "--modes", "gist,full", "--out",
                                      out_,      "--html",    html_};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  GistProcess::Options AtServer() const {
    return {.environment = {"GIST_SERVER=" + server_.target()}};
  }
  GistResult Eval(const std::vector<std::string>& more = {}) const {
    return RunGist(Command(more), AtServer());
  }
  size_t Asked() { return server_.received->compare.size(); }
  // Lines of the journal after its first.
  size_t Journaled() const {
    const std::string text = ReadFile(out_ + ".journal");
    return size_t(std::max<std::ptrdiff_t>(
        std::count(text.begin(), text.end(), '\n') - 1, 0));
  }
  void SlowDown(int ms) {
    server_.script->on_compare = [ms](const v1::CompareRequest& request) {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
      return Compare(request);
    };
  }

  ScriptedServer server_;
  TempDir folder_;
  const std::string data_ = folder_ / "data.jsonl";
  const std::string out_ = folder_ / "results.json";
  const std::string html_ = folder_ / "report.html";
};

TEST_F(EvalCliTest, AsksEverySampleInEveryModeAndWritesBothFiles) {
  const GistResult result = Eval();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("gist 10"), HasSubstr("100.0 %"),
                                HasSubstr("0.0 %")));
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  EXPECT_TRUE(results->complete());
  ASSERT_THAT(results->trials, SizeIs(8));
  const Trial& gist = results->trials[0];
  EXPECT_EQ(gist.mode, Mode::kGist);
  EXPECT_EQ(gist.gists, 10);  // the server's default
  EXPECT_EQ(gist.answer, "KEY00000");
  EXPECT_EQ(gist.scores.score, 1);
  EXPECT_EQ(gist.answer_kind, "right");
  EXPECT_EQ(gist.costs->kv_tokens, 17);
  EXPECT_EQ(gist.costs->first_token_seconds, 0.21);
  EXPECT_EQ(gist.peak_memory_bytes, 5'000'000);
  EXPECT_EQ(gist.uncontended, true);
  const Trial& full = results->trials[1];
  EXPECT_EQ(full.mode, Mode::kFull);
  ASSERT_TRUE(full.error);
  EXPECT_THAT(*full.error, StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("8,193 tokens")));
  EXPECT_FALSE(full.costs);
  EXPECT_FALSE(full.peak_memory_bytes);
  EXPECT_EQ(results->server.at("model"), "Tiny");
  EXPECT_THAT(ReadFile(html_), HasSubstr("8,193 tokens"));
  // Once for each document; greedily, with a bound.
  EXPECT_THAT(server_.received->compress, SizeIs(4));
  EXPECT_EQ(server_.received->compare[0].max_tokens(), 64);
  EXPECT_THAT(server_.received->deleted, IsEmpty());
}

TEST_F(EvalCliTest, AsksWithAndWithoutTheAnswerAdapter) {
  const GistResult result =
      Eval({"--modes", "gist", "--answer-adapters", "on,off", "--limit", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  std::vector<std::string> titles;
  for (const Trial& trial : results->trials) titles.push_back(Title(trial));
  EXPECT_THAT(titles, ElementsAre("gist 10", "gist 10, answer adapter", "full",
                                  "full, answer adapter"));
  std::vector<v1::AnswerAdapter> asked;
  for (const auto& request : server_.received->compare) {
    asked.push_back(request.answer_adapter());
  }
  EXPECT_THAT(asked,
              ElementsAre(v1::ANSWER_ADAPTER_OFF, v1::ANSWER_ADAPTER_ON,
                          v1::ANSWER_ADAPTER_OFF, v1::ANSWER_ADAPTER_ON));
  EXPECT_THAT(server_.received->compress, SizeIs(1));
  EXPECT_THAT(ReadFile(html_), HasSubstr("gist 10, answer adapter"));
  // What is there is not asked again, by the old name of the option.
  EXPECT_EQ(
      Eval({"--modes", "gist", "--readers", "trained,frozen", "--limit", "1"})
          .exit_code,
      0);
  EXPECT_THAT(server_.received->compare, SizeIs(4));
  EXPECT_THAT(Eval({"--modes", "gist", "--limit", "1"}).err,
              HasSubstr("answer_adapters"));
}

TEST_F(EvalCliTest, AsksEachNumberOfGistsOnce) {
  const GistResult result =
      Eval({"--modes", "full,hybrid", "--gists", "24,8", "--limit", "1"});
  // An option given twice takes both lists.
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  std::vector<std::string> titles;
  for (const Trial& trial : results->trials) {
    titles.push_back(Title(trial));
  }
  EXPECT_THAT(titles, ElementsAre("gist 8", "gist 24", "full", "hybrid 8",
                                  "hybrid 24"));
  EXPECT_THAT(server_.received->compress, SizeIs(2));
}

TEST_F(EvalCliTest, GoesOnAfterAKill) {
  SlowDown(60);
  {
    GistProcess process(Command(), AtServer());
    while (Journaled() < 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    process.Signal(SIGKILL);
    EXPECT_EQ(process.Finish().exit_code, 128 + SIGKILL);
  }
  const size_t journaled = Journaled();
  ASSERT_LT(journaled, 8u);
  // As a kill in the middle of a write leaves it.
  std::ofstream(out_ + ".journal", std::ios::app) << "{\"sample\":\"0123";
  SlowDown(0);
  server_.received->compare.clear();
  const GistResult result = Eval();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Asked(), 8 - journaled);
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  EXPECT_THAT(results->trials, SizeIs(8));
  EXPECT_TRUE(results->complete());
  // And a third time there is nothing to ask.
  server_.received->compare.clear();
  EXPECT_EQ(Eval().exit_code, 0);
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(EvalCliTest, WritesWhatItHasOnCtrlC) {
  SlowDown(60);
  GistProcess process(Command(), AtServer());
  while (Journaled() < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  process.Signal(SIGINT);
  const GistResult result = process.Finish();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the same command goes on"));
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  EXPECT_FALSE(results->complete());
  EXPECT_THAT(results->trials, SizeIs(Ge(2u)));
  EXPECT_THAT(ReadFile(html_), HasSubstr("Not complete"));
}

TEST_F(EvalCliTest, RefusesAJournalOfOtherSettings) {
  ASSERT_EQ(Eval({"--limit", "1"}).exit_code, 0);
  const GistResult other = Eval({"--limit", "2"});
  EXPECT_EQ(other.exit_code, 4);
  EXPECT_THAT(other.err, AllOf(HasSubstr("made with other settings"),
                               HasSubstr("there, "), HasSubstr("--restart")));
  server_.script->info.set_adapter_fingerprint(std::string(64, 'c'));
  EXPECT_THAT(Eval({"--limit", "1"}).err, HasSubstr("adapter_fingerprint"));
  const GistResult restart = Eval({"--limit", "2", "--restart"});
  EXPECT_EQ(restart.exit_code, 0) << restart.err;
  EXPECT_THAT(ReadResults(out_)->trials, SizeIs(4));
}

TEST_F(EvalCliTest, GoesOnFromCompressedResultsWithoutAJournal) {
  const std::string out = folder_ / "results.json.zst";
  const auto eval = [&](const std::string& modes) {
    return RunGist({"eval", "--dataset", data_, "--modes", modes, "--out", out},
                   AtServer());
  };
  ASSERT_EQ(eval("gist").exit_code, 0);
  EXPECT_TRUE(IsZstd(ReadFile(out)));
  std::filesystem::remove(out + ".journal");
  server_.received->compare.clear();
  const GistResult again = eval("gist");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(Asked(), 0u);
  EXPECT_THAT(ReadResults(out)->trials, SizeIs(4));
  std::filesystem::remove(out + ".journal");
  EXPECT_THAT(eval("full").err, HasSubstr("made with other settings"));
  const GistResult report =
      RunGist({"eval", "--from", out, "--html", html_}, AtServer());
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(ReadFile(html_), HasSubstr("gist 10"));
}

TEST_F(EvalCliTest, ReplacesNoResultsOfAnotherRun) {
  std::ofstream(out_) << "mine";
  const GistResult result = Eval();
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.err, HasSubstr("without"));
  EXPECT_EQ(ReadFile(out_), "mine");
}

TEST_F(EvalCliTest, AsksSeveralAtOnceThroughAskWithoutMeasuringMemory) {
  server_.script->result = FullResult();
  server_.script->answer = {"KEY0", "0001"};
  const GistResult result = Eval({"--concurrency", "3"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Asked(), 0u);
  EXPECT_THAT(server_.received->ask, SizeIs(8));
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  for (const Trial& trial : results->trials) {
    EXPECT_FALSE(trial.peak_memory_bytes);
    EXPECT_FALSE(trial.uncontended);
    EXPECT_EQ(trial.answer, "KEY00001");
  }
  EXPECT_EQ(results->trials[0].answer_kind, "other_document");
  EXPECT_EQ(results->settings.at("concurrency"), 3);
  EXPECT_THAT(ReadFile(html_), HasSubstr("3 documents were in flight"));
}

TEST_F(EvalCliTest, DealsDocumentsOutToReplicas) {
  SlowDown(100);
  ScriptedServer replica;
  Script(replica);
  const GistResult result = Eval({"--replicas", replica.target()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const size_t there = replica.received->compare.size();
  EXPECT_EQ(Asked() + there, 8u);
  EXPECT_GE(Asked(), 2u);
  EXPECT_GE(there, 2u);
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  EXPECT_TRUE(results->complete());
  EXPECT_EQ(results->settings.at("servers"), 2);
  EXPECT_THAT(ReadFile(html_), HasSubstr("2 servers shared the documents out"));
}

TEST_F(EvalCliTest, RefusesAReplicaWithAnotherAdapter) {
  ScriptedServer replica;
  Script(replica);
  replica.script->info.set_adapter_fingerprint("another");
  const GistResult result = Eval({"--replicas", replica.target()});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr(replica.target()),
                    HasSubstr("adapter_fingerprint"), HasSubstr("another")));
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(EvalCliTest, DeletesTheContextsThatItMadeAlone) {
  server_.script->on_compress = [](const v1::CompressRequest& request) {
    v1::CompressResponse response;
    response.mutable_context()->set_context_id(ContextIdOf(request.text()));
    response.set_cached(request.text().ends_with("KEY00002"));
    return response;
  };
  const GistResult result = Eval({"--delete"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(server_.received->deleted,
              ElementsAre(ContextIdOf("KEY00000"), ContextIdOf("KEY00001"),
                          ContextIdOf("KEY00003")));
}

TEST_F(EvalCliTest, AddsTheTextWhereNoModeNeedsGists) {
  server_.script->add = FullAddResponse();
  server_.script->add.set_cached(false);
  server_.script->errors["Compress"] = {grpc::StatusCode::FAILED_PRECONDITION,
                                        "no gist adapter"};
  const GistResult result =
      RunGist({"eval", "--dataset", data_, "--modes", "full,rag,gist", "--out",
               out_, "--limit", "2", "--delete"},
              AtServer());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(server_.received->added, SizeIs(2));
  EXPECT_THAT(server_.received->deleted, SizeIs(2));
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  ASSERT_THAT(results->trials, SizeIs(6));
  EXPECT_EQ(results->trials[1].mode, Mode::kRag);
  EXPECT_FALSE(results->trials[1].error);
  EXPECT_EQ(results->trials[1].context_id, FullContext().context_id());
  EXPECT_EQ(results->trials[1].compress_seconds, 0);
  EXPECT_THAT(*results->trials[2].error,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no gist adapter")));
}

TEST_F(EvalCliTest, KeepsAnErrorOfCompressingAsEveryModesError) {
  for (const char* rpc : {"Compress", "AddDocument"}) {
    server_.script->errors[rpc] = {grpc::StatusCode::RESOURCE_EXHAUSTED,
                                   "document: too long"};
  }
  const GistResult result = Eval({"--limit", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto results = ReadResults(out_);
  ASSERT_THAT(results, IsOk());
  ASSERT_THAT(results->trials, SizeIs(2));
  for (const Trial& trial : results->trials) {
    ASSERT_TRUE(trial.error);
    EXPECT_THAT(*trial.error, StatusIs(absl::StatusCode::kResourceExhausted,
                                       HasSubstr("too long")));
  }
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(EvalCliTest, EndsWhereTheServerIsGoneAndGoesOnLater) {
  server_.script->errors["Compare"] = {grpc::StatusCode::UNAVAILABLE,
                                       "shutting down"};
  const GistResult gone = Eval();
  EXPECT_EQ(gone.exit_code, 3) << gone.err;
  EXPECT_EQ(Journaled(), 0u);
  server_.script->errors.clear();
  EXPECT_EQ(Eval().exit_code, 0);
  EXPECT_EQ(Journaled(), 8u);
}

TEST_F(EvalCliTest, WaitsForABusyServer) {
  auto times = std::make_shared<std::atomic<int>>(0);
  server_.script->on_compare = [times](const v1::CompareRequest& request) {
    if (++*times > 2) return Compare(request);
    std::vector<v1::CompareResponse> busy(2);
    v1::ModeError& error = *busy[0].mutable_answer()->mutable_error();
    error.set_code(int(grpc::StatusCode::RESOURCE_EXHAUSTED));
    error.set_message("the queue is full");
    busy[1].mutable_summary();
    return busy;
  };
  const GistResult result = Eval({"--limit", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(ReadResults(out_)->trials.at(0).scores.score, 1);
}

TEST_F(EvalCliTest, DrawsAReportOfResultsThatAreThere) {
  ASSERT_EQ(Eval().exit_code, 0);
  const std::string before = ReadFile(html_);
  const std::string copy = folder_ / "copy.html";
  const GistResult result = RunGist({"eval", "--from", out_, "--html", copy});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(ReadFile(copy), before);
  const std::string picture = folder_ / "picture.svg";
  EXPECT_EQ(RunGist({"eval", "--from", out_, "--svg", picture}).exit_code, 0);
  EXPECT_TRUE(ReadFile(picture).starts_with("<svg "));
  EXPECT_EQ(RunGist({"eval", "--from", out_}).exit_code, 2);
  const GistResult wrong = RunGist({"eval", "--from", data_, "--html", copy});
  EXPECT_EQ(wrong.exit_code, 4);
  EXPECT_THAT(wrong.err, HasSubstr("no results file of gist eval"));
}

TEST_F(EvalCliTest, RefusesWhatCannotBe) {
  EXPECT_EQ(Eval({"--gists", "0"}).exit_code, 2);
  EXPECT_EQ(Eval({"--modes", "magic"}).exit_code, 2);
  EXPECT_EQ(RunGist({"eval", "--dataset", data_}).exit_code, 2);
  EXPECT_EQ(RunGist({"eval", "--out", out_}).exit_code, 2);
  const GistResult none = RunGist(
      {"eval", "--dataset", folder_ / "none", "--out", out_}, AtServer());
  EXPECT_EQ(none.exit_code, 4);
  EXPECT_THAT(none.err, HasSubstr("none: cannot be read"));
}

TEST_F(EvalCliTest, ShowsProgressOnATerminal) {
  SlowDown(150);
  GistProcess::Options options = AtServer();
  options.environment.push_back("TERM=xterm");
  options.terminal_for_errors = true;
  const GistResult result = RunGist(Command(), options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("asking ["), HasSubstr("/ 8 answers"),
                                HasSubstr(" left")));
}

TEST_F(EvalCliTest, PrintsOneJsonObject) {
  const GistResult result = Eval({"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json.at("records"), 8);
  EXPECT_EQ(json.at("complete"), true);
  EXPECT_EQ(json.at("summary").at("groups").at(0).at("accuracy").at("mean"), 1);
}

}  // namespace
}  // namespace gist::client
