// The real executable against a scripted server.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/output.h"
#include "core/data/filler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli/help_check.h"
#include "tests/client/cli/json_fields.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kId[] = "ctx_0123456789abcdef0123456789abcdef";

class CliTest : public testing::Test {
 protected:
  CliTest() {
    server_.script->compress = FullCompressResponse();
    server_.script->result = FullResult();
    server_.script->info = FullServerInfo();
    server_.script->contexts = {FullContext()};
  }

  // Against the scripted server.
  GistResult Gist(std::vector<std::string> arguments,
                  const std::string& input = "") {
    return RunGist(arguments, AtServer(), input);
  }
  GistProcess::Options AtServer() const {
    return {.environment = {"GIST_SERVER=" + server_.target()}};
  }
  std::string Fill(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  ScriptedServer server_;
  TempDir folder_;
};

TEST_F(CliTest, PrintsTheIdOfACompressedFileAndNothingElse) {
  const auto result = Gist({"compress", "--gists", "6", Fill("a", "text")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, std::string(kId) + "\n");
  EXPECT_THAT(result.err, StartsWith("1,024 tokens became 10 gist tokens"));
  ASSERT_THAT(server_.received->compress, SizeIs(1));
  EXPECT_EQ(server_.received->compress[0].text(), "text");
  EXPECT_EQ(server_.received->compress[0].representation().gist_tokens(), 6);
}

TEST_F(CliTest, AddsAFileOrStandardInput) {
  server_.script->add = FullAddResponse();
  const auto result = Gist(
      {"add", "--ttl", "1h", "--pin", "--request-id", "r1", Fill("a", "text")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, std::string(kId) + "\n");
  EXPECT_THAT(result.err, StartsWith("1,024 tokens of text, 5.00 kB"));
  const auto json = Gist({"add", "-", "--json"}, "more");
  EXPECT_EQ(Json::parse(json.out)["context_id"], kId);
  EXPECT_THAT(Json::parse(json.out), HasAllFieldsOf(FullAddResponse()));
  EXPECT_THAT(server_.received->added, ElementsAre("text", "more"));
  EXPECT_EQ(server_.received->add[0].request_id(), "r1");
  EXPECT_EQ(server_.received->add[0].retention().ttl_seconds(), 3600);
  EXPECT_TRUE(server_.received->add[0].retention().pinned());
}

TEST_F(CliTest, SaysHowLongADocumentIsKept) {
  const auto result =
      Gist({"compress", "--ttl", "1.5h", "--pin", Fill("a", "text")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(server_.received->compress[0].retention().ttl_seconds(), 5400);
  EXPECT_TRUE(server_.received->compress[0].retention().pinned());
  Gist({"compress", Fill("a", "text")});
  EXPECT_EQ(server_.received->compress[1].retention().ByteSizeLong(), 0u);
  for (const std::string time : {"5", "h", "-1h", "1w", "nanh", ""}) {
    const auto refused = Gist({"compress", "--ttl", time, Fill("a", "text")});
    EXPECT_EQ(refused.exit_code, 2) << time;
  }
}

TEST_F(CliTest, ChangesHowLongAContextIsKept) {
  const auto ttl = Gist({"contexts", "ttl", kId, "7d"});
  EXPECT_EQ(ttl.exit_code, 0) << ttl.err;
  EXPECT_THAT(ttl.out, StartsWith(std::string(kId) + " is kept until 2027-"));
  EXPECT_THAT(ttl.out, HasSubstr("pinned"));
  Gist({"contexts", "ttl", kId, "never"});
  Gist({"contexts", "pin", kId});
  Gist({"contexts", "unpin", kId});
  const auto updates = server_.received->updates;
  ASSERT_THAT(updates, SizeIs(4));
  EXPECT_EQ(updates[0].context_id(), kId);
  EXPECT_EQ(updates[0].retention().ttl_seconds(), 7 * 86400);
  EXPECT_FALSE(updates[0].retention().has_pinned());
  EXPECT_TRUE(updates[1].retention().has_expire_unix_ms());
  EXPECT_EQ(updates[1].retention().expire_unix_ms(), 0);
  EXPECT_TRUE(updates[2].retention().pinned());
  EXPECT_TRUE(updates[3].retention().has_pinned());
  EXPECT_FALSE(updates[3].retention().pinned());
  EXPECT_EQ(Gist({"contexts", "ttl", kId, "soon"}).exit_code, 2);
}

TEST_F(CliTest, MakesAndListsBackups) {
  const auto made = Gist({"backup"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out, "backup-000007\n");
  EXPECT_EQ(server_.received->backups, 1);
  const auto listed = Gist({"backup", "--list"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(listed.out, StartsWith("backup-000007"));
  EXPECT_EQ(server_.received->backups, 1);
  const auto json = Gist({"backup", "--json"});
  EXPECT_THAT(json.out, HasSubstr("\"backup_bytes\": 123000000"));
}

TEST_F(CliTest, CompressesStandardInput) {
  const std::string text(3 << 20, 'x');
  const auto result = Gist({"compress", "-"}, text);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(server_.received->streamed_text == text);
}

TEST_F(CliTest, PrintsAllOfACompressionAsJson) {
  const auto result = Gist({"--json", "compress", Fill("a", "text")});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["context_id"], kId);
  EXPECT_THAT(json, HasAllFieldsOf(FullCompressResponse()));
}

TEST_F(CliTest, ShowsProgressOnATerminalOnly) {
  for (const int done : {16, 4'000}) {
    v1::CompressProgress& progress = server_.script->progress.emplace_back();
    progress.set_done_tokens(done);
    progress.set_total_tokens(8'000);
  }
  const std::string file = Fill("a", "text");
  EXPECT_THAT(Gist({"compress", file}).err, Not(HasSubstr("reading")));
  GistProcess::Options terminal = AtServer();
  terminal.environment.push_back("TERM=xterm");
  terminal.terminal_for_errors = true;
  const auto result = RunGist({"compress", file}, terminal);
  EXPECT_THAT(result.err, HasSubstr("16 / 8,000 tokens"));
  EXPECT_THAT(result.err, HasSubstr("\r\033[K\033[2m1,024 tokens became"));
  EXPECT_EQ(result.out, std::string(kId) + "\n");
}

TEST_F(CliTest, PrintsAnAnswerThenWhatItTook) {
  server_.script->answer = {"The code ", "is 4711."};
  const auto result = Gist({"ask", kId, "ctx_2", "What is the code?"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "The code is 4711.\n");
  EXPECT_EQ(result.err,
            "10 gist tokens stand for 1,024 (102x), 230 kB instead of 23.6 MB; "
            "first token 0.21 s, total 0.48 s; answer adapter\n");
  ASSERT_THAT(server_.received->ask, SizeIs(1));
  EXPECT_THAT(server_.received->ask[0].context_ids(),
              ElementsAre(kId, "ctx_2"));
  EXPECT_EQ(server_.received->ask[0].question(), "What is the code?");
  EXPECT_EQ(server_.received->ask[0].mode(), v1::MODE_GIST);
}

TEST_F(CliTest, LeavesDataToAProgramOfItsOwn) {
  const auto help = Gist({"data", "niah", "--help"});
  EXPECT_EQ(help.exit_code, 0) << help.err;
  EXPECT_THAT(help.out, HasSubstr("Usage: gist data niah"));
  const auto wrong = Gist({"data", "niah", "--split", "none"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(Gist({"--json", "data"}).err,
              HasSubstr("comes first: gist data"));
}

TEST_F(CliTest, SaysWhatToInstallForDebiansText) {
  const size_t missing = MissingDebianFillers().size();
  if (missing < DebianFillers().size()) {
    GTEST_SKIP() << "packages of the filler are installed here";
  }
  const auto result =
      RunGist({"data", "niah", "--filler", "debian", "--model",
               "tests/data/tiny/tiny.q4_0.gguf", "--out", folder_ / "out"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  for (const DebianFiller& filler : DebianFillers()) {
    EXPECT_THAT(result.err, HasSubstr(" " + std::string(filler.package)));
  }
  EXPECT_THAT(result.err, HasSubstr("run apt-get install "));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(CliTest, PassesTheSamplingOn) {
  const auto result =
      Gist({"ask", "--mode", "full", "--max-tokens", "9", "--temperature",
            "0.5", "--top-k", "3", "--top-p", "0.75", "--seed",
            "18446744073709551615", kId, "Who?"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ASSERT_THAT(server_.received->ask, SizeIs(1));
  const v1::AskRequest& sent = server_.received->ask[0];
  EXPECT_EQ(sent.mode(), v1::MODE_FULL);
  EXPECT_EQ(sent.max_tokens(), 9);
  EXPECT_EQ(sent.temperature(), 0.5f);
  EXPECT_EQ(sent.top_k(), 3);
  EXPECT_EQ(sent.top_p(), 0.75f);
  EXPECT_EQ(sent.seed(), UINT64_MAX);
}

TEST_F(CliTest, AsksAllDocumentsWithoutAnId) {
  const auto result = Gist({"ask", "--mode", "rag", "--all", "Who?"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ASSERT_THAT(server_.received->ask, SizeIs(1));
  const v1::AskRequest& sent = server_.received->ask[0];
  EXPECT_EQ(sent.mode(), v1::MODE_RAG);
  EXPECT_EQ(sent.context_ids_size(), 0);
  EXPECT_EQ(sent.question(), "Who?");
}

TEST_F(CliTest, SaysHowPassagesAreRanked) {
  EXPECT_EQ(Gist({"ask", "--mode", "rag", kId, "Who?"}).exit_code, 0);
  EXPECT_EQ(Gist({"ask", "--mode", "rag", "--ranking", "lexical", kId, "Who?"})
                .exit_code,
            0);
  EXPECT_EQ(Gist({"ask", "--ranking", "best", kId, "Who?"}).exit_code, 2);
  ASSERT_THAT(server_.received->ask, SizeIs(2));
  EXPECT_EQ(server_.received->ask[0].retrieval().ranking(), v1::RANKING_FUSED);
  EXPECT_EQ(server_.received->ask[1].retrieval().ranking(),
            v1::RANKING_LEXICAL);
}

TEST_F(CliTest, PrintsAnAnswerAsOneJsonObject) {
  server_.script->answer = {"say \"hi\"\n", "\xea\xb8\xb0"};
  const auto result = Gist({"ask", kId, "Who?", "--json"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["answer"], "say \"hi\"\n\xea\xb8\xb0");
  EXPECT_EQ(json["context_ids"], Json::array({kId}));
  EXPECT_EQ(json["refused"], true);
  EXPECT_EQ(json["mode_used"], "gist");
  EXPECT_THAT(json["usage"], HasAllFieldsOf(FullResult().usage()));
  EXPECT_THAT(json["timings"], HasAllFieldsOf(FullResult().timings()));
}

TEST_F(CliTest, AsksWithTheAnswerAdapterByBothOfItsNames) {
  Gist({"ask", "--answer-adapter", "on", kId, "Who?"});
  Gist({"ask", "--reader", "trained", kId, "Who?"});
  Gist({"ask", "--reader", "frozen", kId, "Who?"});
  Gist({"ask", kId, "Who?"});
  std::vector<v1::AnswerAdapter> asked;
  for (const auto& request : server_.received->ask) {
    asked.push_back(request.answer_adapter());
  }
  EXPECT_THAT(asked,
              ElementsAre(v1::ANSWER_ADAPTER_ON, v1::ANSWER_ADAPTER_ON,
                          v1::ANSWER_ADAPTER_OFF, v1::ANSWER_ADAPTER_OFF));
  EXPECT_THAT(
      Gist({"ask", "--help"}).out,
      AllOf(HasSubstr("--answer-adapter on|off"), Not(HasSubstr("--reader"))));
}

TEST_F(CliTest, ComparesModesAndShowsOnATerminalWhichIsAsked) {
  server_.script->on_compare = [](const v1::CompareRequest&) {
    return FullCompareResponses();
  };
  const auto plain = Gist({"compare", kId, "Who?"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr("gist/rag contains, F1 0.25"));
  EXPECT_THAT(plain.err, IsEmpty());
  GistProcess::Options terminal = AtServer();
  terminal.environment.push_back("TERM=xterm");
  terminal.terminal_for_errors = true;
  const auto shown = RunGist({"compare", kId, "Who?"}, terminal);
  EXPECT_THAT(shown.err, HasSubstr("asking in mode gist, 1 of 3 ... 0 s"));
  EXPECT_EQ(shown.out, plain.out);
}

TEST_F(CliTest, ShowsTheAnswerWhileItComes) {
  server_.script->answer = {"early"};
  server_.script->hang_after_answer = true;
  GistProcess gist({"ask", kId, "Who?"}, AtServer());
  EXPECT_TRUE(gist.WaitForOutput("early"));
}

TEST_F(CliTest, CancelsTheCallOnCtrlC) {
  server_.script->answer = {"early"};
  server_.script->hang_after_answer = true;
  GistProcess gist({"ask", kId, "Who?"}, AtServer());
  ASSERT_TRUE(gist.WaitForOutput("early"));
  gist.Signal(SIGINT);
  const GistResult result = gist.Finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.out, "early\n");
  EXPECT_THAT(result.err, HasSubstr("[CANCELLED]"));
  EXPECT_TRUE(server_.WaitForCancel());
}

TEST_F(CliTest, LeavesASilentStandardInputOnCtrlC) {
  GistProcess gist({"compress", "-"}, AtServer());
  // The signal counts from the time on that the program waits for it.
  for (int i = 0; i < 100 && !gist.BlocksSignal(SIGINT); ++i) usleep(20'000);
  gist.Signal(SIGINT);
  EXPECT_EQ(gist.Finish().exit_code, 130);
}

TEST_F(CliTest, ListsContextsOverAllPages) {
  server_.script->contexts.resize(5, FullContext());
  const auto result = Gist({"contexts", "list"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 6);
  EXPECT_THAT(result.out,
              HasSubstr("  230 kB  2023-11-14 22:13  text, gist 10\n"));
  const Json json = Json::parse(Gist({"contexts", "list", "--json"}).out);
  ASSERT_EQ(json["contexts"].size(), 5u);
  EXPECT_THAT(json["contexts"][4], HasAllFieldsOf(FullContext()));
}

TEST_F(CliTest, ListsNothingAsNothing) {
  server_.script->contexts.clear();
  const GistResult result = Gist({"contexts", "list"});
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "no contexts\n");
  EXPECT_EQ(Json::parse(Gist({"--json", "contexts", "list"}).out)["contexts"],
            Json::array());
}

TEST_F(CliTest, ShowsAContext) {
  const auto result = Gist({"contexts", "get", kId});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("230 kB instead of 23.6 MB"));
  EXPECT_THAT(Json::parse(Gist({"contexts", "get", kId, "--json"}).out),
              HasAllFieldsOf(FullContext()));
}

TEST_F(CliTest, DeletesUpToTheFirstError) {
  server_.script->errors["Delete ctx_2"] = {grpc::StatusCode::NOT_FOUND,
                                            "no context ctx_2"};
  const auto result =
      Gist({"--json", "contexts", "delete", "ctx_1", "ctx_2", "ctx_3"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(server_.received->deleted, ElementsAre("ctx_1"));
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["deleted"], Json::array({"ctx_1"}));
  EXPECT_EQ(json["error"]["code"], "NOT_FOUND");
}

TEST_F(CliTest, ExportsToAFile) {
  const std::string bytes("\0\xff gist", 7);
  server_.script->export_chunks = {bytes, bytes};
  const auto result = Gist({"contexts", "export", kId, "--out",
                            folder_ / "a.gist", "--without-text"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(ReadFile(folder_ / "a.gist"), bytes + bytes);
  ASSERT_THAT(server_.received->exports, SizeIs(1));
  EXPECT_TRUE(server_.received->exports[0].without_text());
}

TEST_F(CliTest, LeavesNoFileOfAnExportThatFailed) {
  server_.script->export_chunks = {"half"};
  server_.script->errors["ExportContext"] = {grpc::StatusCode::DATA_LOSS,
                                             "blob: checksum"};
  const auto result =
      Gist({"contexts", "export", kId, "--out", folder_ / "a.gist"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "gist: blob: checksum [DATA_LOSS]\n");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(CliTest, ReplacesAFileOnlyWhenForced) {
  server_.script->export_chunks = {"new"};
  const std::string file = Fill("a.gist", "old");
  const auto refused = Gist({"contexts", "export", kId, "--out", file});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_EQ(ReadFile(file), "old");
  EXPECT_THAT(server_.received->exports, IsEmpty());
  EXPECT_EQ(
      Gist({"contexts", "export", kId, "--out", file, "--force"}).exit_code, 0);
  EXPECT_EQ(ReadFile(file), "new");
}

TEST_F(CliTest, ImportsAFileOrStandardInput) {
  const std::string bytes("\0\xff gist", 7);
  const auto result = Gist({"contexts", "import", Fill("a.gist", bytes)});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, std::string(kId) + "\n");
  EXPECT_EQ(server_.received->imported, bytes);
  EXPECT_EQ(Gist({"contexts", "import", "-"}, bytes).exit_code, 0);
  EXPECT_EQ(server_.received->imported, bytes + bytes);
}

TEST_F(CliTest, ShowsTheServer) {
  EXPECT_THAT(Gist({"info"}).out, HasSubstr("8,192 tokens, 23.0 kB of keys"));
  EXPECT_THAT(Json::parse(Gist({"info", "--json"}).out),
              HasAllFieldsOf(FullServerInfo()));
}

TEST_F(CliTest, PrefersTheFlagOverTheEnvironment) {
  const auto result = RunGist({"info", "--server", server_.target()},
                              {.environment = {"GIST_SERVER=127.0.0.1:1"}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(CliTest, EndsWithOneWhereTheServerRefuses) {
  server_.script->errors["Ask"] = {grpc::StatusCode::OUT_OF_RANGE,
                                   "question: 9000 tokens, want 8192"};
  const auto result = Gist({"ask", kId, "Who?"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "gist: question: 9000 tokens, want 8192 [OUT_OF_RANGE]\n");
  const auto json = Gist({"ask", kId, "Who?", "--json"});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(Json::parse(json.out),
            Json::parse(R"({"error": {"code": "OUT_OF_RANGE",
                "message": "question: 9000 tokens, want 8192"}})"));
}

TEST_F(CliTest, EndsWithOneAfterItsTimeout) {
  server_.script->hang_after_answer = true;
  const auto result = Gist({"--timeout", "0.2", "ask", kId, "Who?"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("[DEADLINE_EXCEEDED]"));
}

TEST_F(CliTest, EndsWithTwoAfterWrongUsage) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nonsense"},
      {"compress"},
      {"compress", "--gists", "0", "a"},
      {"compress", "a", "b"},
      {"ask", kId},
      {"ask", "Who?"},
      {"ask", kId, "Who", "is", "it?"},
      {"ask", kId, kId},
      {"ask", "--all", "Who?"},
      {"ask", "--mode", "hybrid", "--all", "Who?"},
      {"ask", "--mode", "rag", "--all", kId, "Who?"},
      {"ask", "--mode", "rag", "--all", kId},
      {"ask", "--mode", "rag", "Who?"},
      {"ask", "--mode", "guess", kId, "Who?"},
      {"ask", "--max-tokens", "many", kId, "Who?"},
      {"--timeout", "0", "info"},
      {"contexts"},
      {"contexts", "export", kId},
      {"mask", "--context", "600", "--out", "a.svg"},
      {"mask", "--gists", "-3", "--out", "a.svg"},
  };
  for (const std::vector<std::string>& arguments : wrong) {
    const auto result = Gist(arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, Not(IsEmpty()));
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST_F(CliTest, PointsToMissingQuotes) {
  EXPECT_THAT(Gist({"ask", kId, "Who", "is", "it?"}).err,
              HasSubstr("put the question in quotes"));
}

TEST_F(CliTest, EndsWithThreeWhereNobodyListens) {
  const auto result = Gist({"--server", "127.0.0.1:1", "info"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("tried 127.0.0.1:1; is gistd running?"));
}

TEST_F(CliTest, EndsWithFourAfterALocalProblem) {
  const auto missing = Gist({"compress", folder_ / "none"});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.err, HasSubstr("No such file"));
  const auto json = Gist({"contexts", "import", folder_ / "none", "--json"});
  EXPECT_EQ(json.exit_code, 4);
  EXPECT_EQ(Json::parse(json.out)["error"]["code"], "NOT_FOUND");
}

TEST_F(CliTest, DrawsAMaskWithoutAServer) {
  const auto result =
      RunGist({"mask", "--context", "24", "--gists", "4", "--question", "6",
               "--answer", "3", "--out", folder_ / "mask.svg"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(ReadFile(folder_ / "mask.svg"), StartsWith("<svg"));
}

TEST_F(CliTest, ShowsAnExampleInEveryHelp) {
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"add"},
      {"bench"},
      {"compress"},
      {"ask"},
      {"contexts"},
      {"contexts", "list"},
      {"contexts", "get"},
      {"contexts", "delete"},
      {"contexts", "export"},
      {"contexts", "import"},
      {"eval"},
      {"info"},
      {"mask"}};
  ExpectExampleInHelp(commands, AtServer());
}

TEST_F(CliTest, AloneShowsAShortHelp) {
  const auto result = RunGist({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, StartsWith("Compresses documents into gist tokens"));
  EXPECT_THAT(result.err, HasSubstr("gist --help"));
  std::istringstream lines(result.err);
  std::vector<std::string> commands;
  const std::string all = RunGist({"--help"}).out;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80u) << line;
    if (!line.starts_with("  gist ")) continue;
    const std::string rest = line.substr(7);
    commands.push_back(rest.substr(0, rest.find(' ')));
    EXPECT_THAT(all, HasSubstr("\n  " + commands.back() + " "));
  }
  EXPECT_THAT(commands,
              ElementsAre("compress", "ask", "compare", "contexts", "info"));
}

TEST_F(CliTest, ExplainsItsExitCodes) {
  const auto result = Gist({"--help"});
  EXPECT_THAT(result.out,
              HasSubstr("Exit codes: 0 done; 1 the server refused"));
}

TEST_F(CliTest, HandsPlanToItsToolWithAllThatFollows) {
  const auto help = RunGist({"plan", "--help"});
  EXPECT_EQ(help.exit_code, 0) << help.err;
  EXPECT_THAT(help.out, HasSubstr("--device-memory"));
  const auto plan =
      RunGist({"plan", "--model", "tests/data/tiny/tiny.q4_0.gguf",
               "--device-memory", "1GiB"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("can run: yes"));
  EXPECT_THAT(plan.out, HasSubstr("each fits in 1.00 GiB"));
  const auto small =
      RunGist({"plan", "--model", "tests/data/tiny/tiny.q4_0.gguf",
               "--device-memory", "1MiB"});
  EXPECT_THAT(small.out, HasSubstr("* does not fit in"));
  std::filesystem::create_symlink("loop.gguf", folder_ / "loop.gguf");
  EXPECT_EQ(RunGist({"plan", "--model", folder_ / "loop.gguf"}).exit_code, 4);
  const auto missing = RunGist({"plan", "--model", folder_ / "none"});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.err, HasSubstr("none"));
}

}  // namespace
}  // namespace gist::client
