// The real executable's training commands against a scripted server.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli/help_check.h"
#include "tests/client/cli/json_fields.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kJob[] = "job_0123456789abcdef0123";
constexpr char kDataset[] = "ds_0123456789abcdef0123456789abcdef";

class CliTrainTest : public testing::Test {
 protected:
  CliTrainTest() {
    script()->events = TrainingEvents();
    script()->trainings = {FullTraining()};
    script()->datasets = {FullDataset()};
    script()->adapters = {FullAdapter()};
  }
  Guarded<TrainingScript>& script() { return server_.training.script; }
  Guarded<TrainingReceived>& received() { return server_.training.received; }
  GistProcess::Options AtServer() const {
    return {.environment = {"GIST_SERVER=" + server_.target()}};
  }
  GistResult Gist(const std::vector<std::string>& arguments,
                  const std::string& input = "") {
    return RunGist(arguments, AtServer(), input);
  }
  static std::vector<std::string> Train(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "train", "--preset", "gist_10", "--generate", "niah", "--name", "mine"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static std::vector<Json> Lines(const std::string& text) {
    std::vector<Json> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      lines.push_back(Json::parse(line));
    }
    return lines;
  }

  ScriptedServer server_;
  TempDir folder_;
};

TEST_F(CliTrainTest, UploadsTrainsAndPrintsTheAdapter) {
  std::ofstream(folder_ / "a.jsonl") << "line";
  const auto result = Gist({"train",
                            "--preset",
                            "gist_10",
                            "--data",
                            folder_ / "a.jsonl",
                            "--name",
                            "mine",
                            "--promote-if-better",
                            "--steps",
                            "7",
                            "--gists",
                            "8",
                            "--max-tokens",
                            "96",
                            "--documents-per-step",
                            "2",
                            "--learning-rate",
                            "0.01",
                            "--seed",
                            "9",
                            "--epochs",
                            "4",
                            "--start",
                            "mine@1",
                            "--request-id",
                            "once"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "mine@2\n");
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("job_0123456789abcdef0123 is running"),
                    HasSubstr("short 1/6,000"), HasSubstr("loss 4.500"),
                    HasSubstr("dev accuracy 75.0 %"), HasSubstr("promoted"),
                    Not(HasSubstr("\033"))));
  EXPECT_THAT(received()->uploads, ElementsAre("line"));
  ASSERT_THAT(received()->train, SizeIs(1));
  const v1::TrainRequest sent = received()->train[0];
  EXPECT_EQ(sent.preset(), "gist_10");
  EXPECT_EQ(sent.name(), "mine");
  EXPECT_THAT(sent.dataset_ids(), ElementsAre(kDataset));
  EXPECT_FALSE(sent.has_generator());
  EXPECT_TRUE(sent.promote_if_better());
  EXPECT_EQ(sent.steps(), 7);
  EXPECT_EQ(sent.gist_tokens(), 8);
  EXPECT_EQ(sent.max_tokens(), 96);
  EXPECT_EQ(sent.documents_per_step(), 2);
  EXPECT_EQ(sent.learning_rate(), 0.01);
  EXPECT_EQ(sent.seed(), 9u);
  EXPECT_EQ(sent.epochs(), 4);
  EXPECT_EQ(sent.start_adapter(), "mine@1");
  EXPECT_EQ(sent.request_id(), "once");
}

TEST_F(CliTrainTest, AsksForGeneratedSamples) {
  const auto result = Gist(Train({"--language", "ko", "--family", "passkey",
                                  "keyed", "--samples", "1000"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const v1::Generator sent = received()->train.at(0).generator();
  EXPECT_EQ(sent.name(), "niah");
  EXPECT_THAT(sent.languages(), ElementsAre("ko"));
  EXPECT_THAT(sent.families(), ElementsAre("passkey", "keyed"));
  EXPECT_EQ(sent.samples(), 1000);
}

TEST_F(CliTrainTest, ShowsABarAndASparklineOnATerminal) {
  GistProcess::Options terminal = AtServer();
  terminal.environment.push_back("TERM=xterm");
  terminal.terminal_for_errors = true;
  const auto result = RunGist(Train(), terminal);
  EXPECT_EQ(result.out, "mine@2\n");
  EXPECT_THAT(result.err, AllOf(HasSubstr("\r\033[K"), HasSubstr("short 1/")));
}

TEST_F(CliTrainTest, PrintsALineOfJsonForEachEvent) {
  auto arguments = Train();
  arguments.push_back("--json");
  const auto result = Gist(arguments);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  const auto lines = Lines(result.out);
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_EQ(lines[0]["kind"], "snapshot");
  EXPECT_EQ(lines[1]["loss"], 4.5);
  EXPECT_EQ(lines[1]["gradient_norm"], 1.25);
  EXPECT_EQ(lines[3]["dev_accuracy"], 0.75);
  EXPECT_THAT(lines[4]["training"], HasAllFieldsOf(FullTraining()));
}

TEST_F(CliTrainTest, EndsWithOneWhereTheTrainingFailed) {
  auto events = TrainingEvents();
  events.back().mutable_training()->set_state(v1::TRAINING_STATE_FAILED);
  events.back().mutable_training()->set_message("the disk is full");
  script()->events = events;
  const auto result = Gist(Train());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, HasSubstr("failed: the disk is full"));
  auto json = Train();
  json.push_back("--json");
  const auto lines = Lines(Gist(json).out);
  EXPECT_EQ(lines.back()["error"]["code"], "FAILED_PRECONDITION");
}

TEST_F(CliTrainTest, CtrlCDetachesAndSaysHowToWatchAgain) {
  script()->hang_after_events = true;
  script()->events.resize(2);
  GistProcess gist(Train({"--json"}), AtServer());
  ASSERT_TRUE(gist.WaitForOutput("\"kind\":\"step\""));
  gist.Signal(SIGINT);
  const GistResult result = gist.Finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.out, HasSubstr(std::string("detached from ") + kJob));
  EXPECT_THAT(received()->cancelled, IsEmpty());
}

TEST_F(CliTrainTest, ASecondCtrlCCancels) {
  script()->hang_after_events = true;
  script()->events.resize(2);
  GistProcess gist({"trainings", "watch", kJob, "--json"}, AtServer());
  ASSERT_TRUE(gist.WaitForOutput("\"kind\":\"step\""));
  gist.Signal(SIGINT);
  usleep(300'000);
  gist.Signal(SIGINT);
  const GistResult result = gist.Finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.out, HasSubstr(std::string("cancelled ") + kJob));
  EXPECT_THAT(received()->cancelled, ElementsAre(kJob));
}

TEST_F(CliTrainTest, LeavesAtOnceWhereThatWasAskedFor) {
  script()->hang_after_events = true;
  const auto result = Gist(Train({"--detach"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, std::string(kJob) + "\n");
  EXPECT_THAT(result.err, HasSubstr("gist trainings watch"));
}

TEST_F(CliTrainTest, ListsShowsAndCancelsTrainings) {
  EXPECT_THAT(Gist({"trainings", "list"}).out,
              AllOf(HasSubstr(kJob), HasSubstr("SUCCEEDED"),
                    HasSubstr("mine@2"), HasSubstr("1,500/6,000")));
  EXPECT_THAT(
      Json::parse(Gist({"trainings", "list", "--json"}).out).at("trainings")[0],
      HasAllFieldsOf(FullTraining()));
  EXPECT_THAT(Gist({"trainings", "get", kJob}).out,
              AllOf(HasSubstr("gist_25, asked for gist_10"),
                    HasSubstr("75.0 %, in use before: 50.0 %")));
  EXPECT_THAT(Json::parse(Gist({"trainings", "get", kJob, "--json"}).out),
              HasAllFieldsOf(FullTraining()));
  EXPECT_THAT(Gist({"trainings", "cancel", kJob}).out,
              HasSubstr("ends after its step"));
  EXPECT_THAT(received()->cancelled, ElementsAre(kJob));
}

TEST_F(CliTrainTest, UploadsListsAndDeletesDatasets) {
  EXPECT_EQ(Gist({"datasets", "upload", "-"}, "lines").out,
            std::string(kDataset) + "\n");
  EXPECT_THAT(received()->uploads, ElementsAre("lines"));
  EXPECT_THAT(Gist({"datasets", "list"}).out,
              AllOf(HasSubstr(kDataset), HasSubstr("1,200")));
  EXPECT_THAT(
      Json::parse(Gist({"datasets", "list", "--json"}).out).at("datasets")[0],
      HasAllFieldsOf(FullDataset()));
  EXPECT_EQ(Gist({"datasets", "delete", "ds_1", "ds_2"}).exit_code, 0);
  EXPECT_THAT(received()->deleted, ElementsAre("ds_1", "ds_2"));
  script()->errors["UploadDataset"] = {grpc::StatusCode::INVALID_ARGUMENT,
                                       "dataset:3: \"answer\" is empty"};
  std::ofstream(folder_ / "a.jsonl") << "line";
  const auto bad = Gist({"datasets", "upload", folder_ / "a.jsonl"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("a.jsonl: dataset:3"));
}

TEST_F(CliTrainTest, ListsPromotesAndRollsBackAdapters) {
  EXPECT_THAT(
      Gist({"adapters", "list"}).out,
      AllOf(HasSubstr("mine@2"), HasSubstr("75.0 %"), HasSubstr("in use")));
  EXPECT_THAT(
      Json::parse(Gist({"adapters", "list", "--json"}).out).at("adapters")[0],
      HasAllFieldsOf(FullAdapter()));
  v1::Adapter other = FullAdapter();
  other.set_adapter("other@1");
  other.set_fits_model(false);
  script()->adapters = {FullAdapter(), other};
  const auto fitting = Gist({"adapters", "list"});
  EXPECT_THAT(fitting.out, Not(HasSubstr("other@1")));
  EXPECT_THAT(fitting.err, HasSubstr("1 made for other models"));
  EXPECT_THAT(Gist({"adapters", "list", "--all"}).out, HasSubstr("other@1"));
  EXPECT_EQ(Gist({"adapters", "promote", "mine"}).out, "mine@2 is in use\n");
  EXPECT_THAT(received()->promoted, ElementsAre("mine"));
  EXPECT_EQ(Gist({"adapters", "rollback"}).out, "mine@1 is in use\n");
}

TEST_F(CliTrainTest, ListsTheAdapterThatTheServerWasStartedWith) {
  v1::Adapter configured;
  configured.set_adapter("default");
  configured.set_name("default");
  configured.set_in_use(true);
  configured.set_fits_model(true);
  configured.set_adapter_fingerprint(std::string(12, 'a') +
                                     std::string(52, 'b'));
  script()->adapters = {configured};
  const auto list = Gist({"adapters", "list"});
  EXPECT_THAT(list.out, AllOf(HasSubstr("default "), HasSubstr("in use"),
                              HasSubstr(" " + std::string(12, 'a') + " "),
                              Not(HasSubstr("1970"))));
  EXPECT_EQ(list.err, "");
}

TEST_F(CliTrainTest, SaysThatNoAdapterIsInUseAndHowToTrainOne) {
  script()->adapters.clear();
  const auto none = Gist({"adapters", "list"});
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.err, AllOf(HasSubstr("no gist adapter is in use"),
                              HasSubstr("gist train --preset gist_10")));
  v1::Adapter trained = FullAdapter();
  trained.set_in_use(false);
  script()->adapters = {trained};
  const auto one = Gist({"adapters", "list"});
  EXPECT_THAT(one.out, AllOf(HasSubstr("mine@2"), Not(HasSubstr("in use"))));
  EXPECT_THAT(one.err, HasSubstr("no gist adapter is in use"));
}

TEST_F(CliTrainTest, EndsWithTwoAfterWrongUsage) {
  const std::vector<std::vector<std::string>> wrong = {
      {"train"},
      {"train", "--preset", "gist_10", "--name", "mine"},
      {"train", "--preset", "gist_10", "--data", "a"},
      {"train", "--preset", "gist_10", "--name", "mine", "--data", "a",
       "--language", "ko"},
      Train({"--steps", "0"}),
      Train({"--learning-rate", "2"}),
      {"trainings"},
      {"trainings", "get"},
      {"datasets", "upload"},
      {"adapters", "promote"},
  };
  for (const std::vector<std::string>& arguments : wrong) {
    const auto result = Gist(arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
  }
}

TEST_F(CliTrainTest, ShowsAnExampleInEveryHelp) {
  const std::vector<std::vector<std::string>> commands = {
      {"train"},
      {"trainings"},
      {"trainings", "list"},
      {"trainings", "get"},
      {"trainings", "watch"},
      {"trainings", "cancel"},
      {"datasets"},
      {"datasets", "upload"},
      {"datasets", "list"},
      {"datasets", "delete"},
      {"adapters"},
      {"adapters", "list"},
      {"adapters", "promote"},
      {"adapters", "rollback"}};
  ExpectExampleInHelp(commands, AtServer());
}

}  // namespace
}  // namespace gist::client
