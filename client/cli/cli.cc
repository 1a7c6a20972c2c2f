// The command line `gist`: arguments in, exit code out.
#include "CLI/CLI.hpp"

#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "client/cli/cli_parts.h"
#include "client/cli/commands.h"
#include "client/cli/external_tool.h"
#include "client/cli/train_output.h"
#include "client/terminal/files.h"
#include "client/terminal/help_formatter.h"
#include "client/terminal/interrupt.h"
#include "core/base/standard_streams.h"
#include "core/base/status.h"
#include "fmt/format.h"
#include "grpc/support/log.h"

namespace gist::client {
namespace {

enum ExitCode {
  kOk = 0,
  kRefused = 1,
  kUsage = 2,
  kUnreachable = 3,
  kLocal = 4
};

constexpr char kAbout[] =
    "Compresses documents into gist tokens and asks them, on a gistd server.";
constexpr char kFooter[] = R"(Example:
  id=$(gist compress report.txt)
  gist ask $id "Who wrote the report?"

With --json, standard output is one JSON object (of a training, a line for each
event), {"error": {"code", "message"}} after an error. Without it, results go to
standard output, remarks and errors to standard error. An error of the server
also has its reason (docs/errors.md), and "retry_seconds" where waiting helps.

Exit codes: 0 done; 1 the server refused; 2 wrong usage; 3 no server there;
4 a local file or stream; 130 Ctrl-C.)";
// What `gist` alone prints, behind kAbout.
constexpr char kShortHelp[] = R"(
  gist compress FILE          compress a document; prints its context id
  gist ask ID "QUESTION"      ask one or more compressed documents
  gist compare ID "QUESTION"  gists, full text and passages side by side
  gist contexts list          what the server keeps
  gist info                   the server's model, adapter and limits

All commands and options: gist --help. Of one command: gist ask --help.
)";

void AddAdd(CLI::App& app, Command* command) {
  CLI::App* sub =
      AddSubcommand(app, "add", "Store a document; print its context id",
                    "gist add report.txt\n  pdftotext a.pdf - | gist add -");
  auto arguments = std::make_shared<AddArguments>();
  sub->add_option("--request-id", arguments->request_id,
                  "Sent again with another document, it is refused")
      ->type_name("ID");
  AddKeepOptions(sub, &arguments->retention);
  sub->add_option("FILE", arguments->file, "UTF-8 text; - is standard input")
      ->required()
      ->type_name("");
  Choose(sub, command, arguments, RunAdd);
}

void AddCompress(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "compress", "Compress a document; print its context id",
      "gist compress --gists 20 report.txt\n  pdftotext a.pdf - | gist "
      "compress -");
  auto arguments = std::make_shared<CompressArguments>();
  sub->add_option("--gists", arguments->gist_tokens,
                  "Gist tokens to keep (default: the adapter's)")
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("N");
  sub->add_option("--rung", arguments->rung,
                  "gist: trained gist tokens (default); full: keys and values "
                  "of all tokens, which --mode full then loads")
      ->check(CLI::IsMember({"gist", "full"}))
      ->type_name("RUNG");
  sub->add_option("--storage", arguments->storage,
                  "Number format: f16, or i8 for --rung full (its default)")
      ->check(CLI::IsMember({"f16", "i8"}))
      ->type_name("TYPE");
  sub->add_option("--request-id", arguments->request_id,
                  "Sent again, it is the same context, whatever the adapter")
      ->type_name("ID");
  AddKeepOptions(sub, &arguments->retention);
  sub->add_option("FILE", arguments->file, "UTF-8 text; - is standard input")
      ->required()
      ->type_name("");
  Choose(sub, command, arguments, RunCompress);
}

void AddSampling(CLI::App* sub, Question* question) {
  sub->add_option("--max-tokens", question->max_tokens,
                  "Longest answer (default: the server's, 256)")
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("N");
  sub->add_option("--temperature", question->temperature,
                  "0 (always the likeliest token, the default) to 2")
      ->type_name("T");
  sub->add_option("--top-k", question->top_k,
                  "Draw from the K likeliest tokens (default: all)")
      ->type_name("K");
  sub->add_option("--top-p", question->top_p,
                  "Draw from the likeliest tokens that make up P (default: 1)")
      ->type_name("P");
  sub->add_option("--seed", question->seed,
                  "The same seed gives the same answer (default: 0)")
      ->type_name("S");
}

// The last word is the question. What looks like neither is most often a
// question without its quotes.
void SplitWords(std::vector<std::string> words, Question* question) {
  const auto is_id = [](const std::string& word) {
    return word.starts_with("ctx_");
  };
  question->text = words.back();
  words.pop_back();
  if (words.empty() || is_id(question->text)) {
    throw CLI::ValidationError(
        words.empty() && !is_id(question->text) ? "context id" : "question",
        "is missing: gist ask ID [ID...] QUESTION");
  }
  for (const std::string& word : words) {
    if (is_id(word)) continue;
    throw CLI::ValidationError(
        fmt::format("\"{}\"", word),
        "is no context id (they start with ctx_); put the question in quotes");
  }
  question->context_ids = std::move(words);
}

// All words are the question's: one, in quotes.
void TakeQuestion(const std::vector<std::string>& words, Question* question) {
  if (question->mode != Mode::kRag) {
    throw CLI::ValidationError("--all", "wants --mode rag");
  }
  if (words.size() != 1 || words[0].starts_with("ctx_")) {
    throw CLI::ValidationError("--all",
                               "takes a question in quotes, and no context id");
  }
  question->text = words[0];
}

void AddTruncate(CLI::App* sub, Question* question) {
  sub->add_flag("--truncate", question->truncate,
                "Of a text that is too long for the model, in mode full: read "
                "its beginning and its end");
}

// The name and values of --reader stay until 0.1.0.
void AddAnswerAdapter(CLI::App* sub, Question* question) {
  AddChoice(sub, "--answer-adapter", &question->answer_adapter, kAnswerAdapters,
            AnswerAdapterName,
            "LoRA on question and answer, trained on all modes: on, or off "
            "(default)")
      ->type_name("on|off");
  sub->add_option_function<std::string>(
         "--reader",
         [question](const std::string& name) {
           question->answer_adapter =
               name == "trained" ? AnswerAdapter::kOn : AnswerAdapter::kOff;
         })
      ->check(CLI::IsMember({"frozen", "trained"}))
      ->group("");
}

void AddAsk(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "ask", "Ask one or more compressed documents",
      "gist ask ctx_0123456789abcdef0123456789abcdef \"What is the code?\"\n"
      "  gist ask --mode rag --all \"Which document names the code?\"");
  auto question = std::make_shared<Question>();
  auto words = std::make_shared<std::vector<std::string>>();
  AddChoice(sub, "--mode", &question->mode, kModes, ModeName,
            "gist: from the gists alone (default); full: from the whole text; "
            "rag: from passages that retrieval finds; hybrid: gists and "
            "passages")
      ->type_name("MODE");
  auto all = std::make_shared<bool>(false);
  sub->add_flag("--all", *all,
                "In rag: ask all of your documents that keep their text; give "
                "no id");
  AddRetrieval(sub, &question->retrieval);
  AddTruncate(sub, question.get());
  AddAnswerAdapter(sub, question.get());
  AddSampling(sub, question.get());
  sub->add_option("ID... QUESTION", *words,
                  "One or more context ids, then the question in quotes")
      ->required()
      ->type_name("");
  Choose(sub, command, question, RunAsk);
  sub->parse_complete_callback([words, question, all] {
    if (*all) {
      TakeQuestion(*words, question.get());
    } else {
      SplitWords(*words, question.get());
    }
  });
}

void AddCompare(CLI::App& app, Command* command) {
  CLI::App* sub =
      AddSubcommand(app, "compare", "Ask in several modes, side by side",
                    "gist compare ctx_0123456789abcdef0123456789abcdef \"What "
                    "is the code?\"");
  auto arguments = std::make_shared<CompareArguments>();
  auto words = std::make_shared<std::vector<std::string>>();
  AddChoices(sub, "--modes", &arguments->modes, kModes, ModeName,
             "Modes, commas between (default: all)");
  sub->add_option("--max-tokens", arguments->question.max_tokens,
                  "Longest answer (default: the server's, 256)")
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("N");
  AddRetrieval(sub, &arguments->question.retrieval);
  AddTruncate(sub, &arguments->question);
  AddAnswerAdapter(sub, &arguments->question);
  sub->add_option("ID... QUESTION", *words,
                  "One or more context ids, then the question in quotes")
      ->required()
      ->type_name("");
  Choose(sub, command, arguments, RunCompare);
  sub->parse_complete_callback(
      [words, arguments] { SplitWords(*words, &arguments->question); });
}

void AddExport(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "export", "Write a context to a file, for another gistd",
      "gist contexts export ctx_0123456789abcdef0123456789abcdef --out a.gist");
  auto arguments = std::make_shared<ExportArguments>();
  sub->add_option("ID", arguments->context_id, "The context")
      ->required()
      ->type_name("");
  sub->add_option("--out", arguments->file, "File to write (safetensors)")
      ->required()
      ->type_name("FILE");
  sub->add_flag("--without-text", arguments->without_text,
                "Leave the document out: gists alone");
  sub->add_flag("--force", arguments->overwrite, "Replace an existing file");
  Choose(sub, command, arguments, RunExport);
}

void AddContexts(CLI::App& app, Command* command) {
  CLI::App* contexts =
      AddSubcommand(app, "contexts", "List, show, move and delete contexts",
                    "gist contexts list");
  contexts->require_subcommand(1);
  contexts->fallthrough();
  const std::string id = "ctx_0123456789abcdef0123456789abcdef";

  CLI::App* list = AddSubcommand(*contexts, "list", "All contexts, by id",
                                 "gist contexts list");
  list->final_callback([command] { *command = RunList; });

  CLI::App* get = AddSubcommand(*contexts, "get", "What is known of a context",
                                "gist contexts get " + id);
  auto shown = std::make_shared<std::string>();
  get->add_option("ID", *shown, "The context")->required()->type_name("");
  Choose(get, command, shown, RunGet);

  CLI::App* remove = AddSubcommand(*contexts, "delete",
                                   "Delete contexts, up to the first error",
                                   "gist contexts delete " + id);
  auto removed = std::make_shared<std::vector<std::string>>();
  remove->add_option("ID", *removed, "The contexts")->required()->type_name("");
  Choose(remove, command, removed, RunDelete);

  AddKeeping(*contexts, command);
  AddExport(*contexts, command);
  CLI::App* import =
      AddSubcommand(*contexts, "import", "Take a context that export wrote",
                    "gist contexts import a.gist");
  auto file = std::make_shared<std::string>();
  import->add_option("FILE", *file, "The file; - is standard input")
      ->required()
      ->type_name("");
  Choose(import, command, file, RunImport);
  for (CLI::App* sub : contexts->get_subcommands({})) sub->fallthrough();
}

void AddInfo(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "info", "The server's model, adapter, device and limits",
      "gist --server 10.0.0.5:50051 info");
  sub->final_callback([command] { *command = RunInfo; });
}

constexpr int kMostDrawnTokens = 512;  // a square for each pair of them

void CheckShape(const MaskShape& shape) {
  if (shape.total() > kMostDrawnTokens) {
    throw CLI::ValidationError(
        "mask", fmt::format("{} tokens in all; a picture holds up to {}",
                            shape.total(), kMostDrawnTokens));
  }
}

void AddMask(CLI::App& app, Command* command) {
  CLI::App* sub =
      AddSubcommand(app, "mask", "Draw who attends to whom; needs no server",
                    "gist mask --context 24 --gists 4 --question 6 --answer 3 "
                    "--out mask.svg");
  auto arguments = std::make_shared<MaskArguments>();
  MaskShape& shape = arguments->shape;
  shape.context_tokens = 24;
  shape.gist_tokens = 4;
  shape.question_tokens = 6;
  shape.answer_tokens = 3;
  const auto add = [sub](const char* name, int* tokens, const char* about) {
    sub->add_option(name, *tokens, about)
        ->check(CLI::Range(0, kMostDrawnTokens))
        ->capture_default_str()
        ->type_name("N");
  };
  add("--context", &shape.context_tokens, "Tokens of the document");
  add("--gists", &shape.gist_tokens, "Gist tokens");
  add("--question", &shape.question_tokens, "Tokens of the question");
  add("--answer", &shape.answer_tokens, "Tokens of the answer");
  add("--prefix", &shape.prefix_tokens, "Tokens of the shared prefix");
  add("--gists-per-block", &shape.gists_per_block,
      "Gists that share a block of the document, the last has those left; 0: "
      "one block");
  add("--overlap", &shape.block_overlap_tokens,
      "Tokens left of its block that a gist also sees");
  add("--segment", &shape.segment_tokens,
      "Tokens of the pieces that the document is read in; 0: in one");
  sub->add_option("--out", arguments->file, "SVG file to write")
      ->required()
      ->type_name("FILE");
  sub->add_flag("--force", arguments->overwrite, "Replace an existing file");
  Choose(sub, command, arguments, RunMask);
  sub->parse_complete_callback([arguments] { CheckShape(arguments->shape); });
}

// Programs beside gist, "gist-" in front of their names.
constexpr std::pair<const char*, const char*> kTools[] = {
    {"data", "Make samples to train and measure on; needs no server"},
    {"plan", "What a model takes in memory; needs no server"},
};

// For the help text: what begins with a tool's name is the tool's to read, its
// options and --help too, and never comes here.
void AddTools(CLI::App& app) {
  for (const auto& [name, about] : kTools) {
    app.add_subcommand(name, about)->final_callback([name = name] {
      throw CLI::ValidationError(name,
                                 fmt::format("comes first: gist {} ...", name));
    });
  }
}

void AddGlobals(CLI::App& app, ClientOptions* options, bool* json) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.set_version_flag("--version", "gist " GIST_VERSION, "Print the version");
  app.add_option("--server", options->target,
                 "HOST:PORT of gistd; also by GIST_SERVER")
      ->envname("GIST_SERVER")
      ->capture_default_str()
      ->type_name("ADDRESS");
  app.add_flag("--json", *json, "Print one JSON object");
  app.add_option("--timeout", options->timeout_seconds,
                 "Give up a call after this long (default: never)")
      ->check(CLI::Range(0.001, 1e6))
      ->type_name("SECONDS");
  app.require_subcommand(1);
}

int ExitCodeOf(const absl::Status& status, int signal) {
  if (status.ok()) return kOk;
  if (absl::IsCancelled(status) && signal != 0) return 128 + signal;
  if (IsLocal(status)) return kLocal;
  return absl::IsUnavailable(status) ? kUnreachable : kRefused;
}

void PrintError(const absl::Status& status, Session& session) {
  if (!session.json) {
    fmt::print(stderr, "{}", ErrorText(status));
    return;
  }
  // A deletion that stopped half-way keeps its list.
  session.reply["error"] = ToJson(status);
}

// Returns only where there is no tool of that name, or it does not run.
std::optional<int> BecomeTool(int argc, char** argv) {
  for (const auto& [name, about] : kTools) {
    if (argc < 2 || std::string_view(argv[1]) != name) continue;
    const absl::Status status =
        RunTool(fmt::format("gist-{}", name), {argv + 2, argv + argc});
    fmt::print(stderr, "gist: {} [{}]\n", Message(status),
               absl::StatusCodeToString(status.code()));
    return kLocal;
  }
  return std::nullopt;
}

// After lines of JSON only an error is left to say.
absl::Status WriteReply(const Session& session) {
  if (!session.json_lines) return WriteStdout(Print(session.reply));
  if (!session.reply.contains("error")) return absl::OkStatus();
  return WriteStdout(PrintLine(session.reply));
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "{}\n{}", kAbout, kShortHelp);
    return kUsage;
  }
  if (const auto exit_code = BecomeTool(argc, argv)) return *exit_code;
  // What gRPC logs is in the errors too, and its words may hold a token.
  gpr_set_log_function([](gpr_log_func_args*) {});
  ClientOptions options;
  SecurityFiles files;
  double wait_seconds = 10;
  bool json = false;
  Command command;
  CLI::App app(kAbout, "gist");
  AddGlobals(app, &options, &json);
  AddWait(app, &wait_seconds);
  AddSecurity(app, &files, &options);
  AddAdd(app, &command);
  AddCompress(app, &command);
  AddAsk(app, &command);
  AddCompare(app, &command);
  AddContexts(app, &command);
  AddBackup(app, &command);
  AddInfo(app, &command);
  AddMask(app, &command);
  AddEval(app, &command, {argv, argv + argc});
  AddBench(app, &command);
  AddTools(app);
  AddTokens(app, &command);
  AddTraining(app, &command);
  for (CLI::App* sub : app.get_subcommands({})) sub->fallthrough();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  Interrupt interrupt;
  options.stop = interrupt.token();
  SetWait(wait_seconds, options);
  const absl::Status secured = ReadSecurity(files, options);
  absl::Status status = secured;
  Session session(options);
  session.json = json;
  session.interrupt = &interrupt;
  if (status.ok()) status = command(session);
  if (!status.ok()) PrintError(status, session);
  if (json) status.Update(WriteReply(session));
  if (!secured.ok() && !IsLocal(secured)) return kUsage;
  return ExitCodeOf(status, interrupt.signal());
}

}  // namespace
}  // namespace gist::client

int main(int argc, char** argv) { return gist::client::Main(argc, argv); }
