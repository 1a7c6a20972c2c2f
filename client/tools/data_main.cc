// The command line `gist-data`, which `gist data` runs: what needs a tokenizer
// but no server.
#include <functional>

#include "CLI/CLI.hpp"
#include "client/terminal/files.h"
#include "client/terminal/help_formatter.h"
#include "client/terminal/interrupt.h"
#include "client/tools/bring_model.h"
#include "client/tools/longbench.h"
#include "client/tools/niah.h"
#include "client/tools/squad.h"
#include "core/base/installation.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kLocal = 4 };

constexpr char kAbout[] = "Makes and fetches samples to train and measure on.";
constexpr char kFooter[] = R"(Example:
  gist data niah --filler debian --out samples

Exit codes: 0 done; 1 failed; 2 wrong usage; 4 a local file, or text that is not
installed; 130 Ctrl-C.)";

constexpr int kMostSamples = 1'000'000;

using Command = std::function<absl::Status(std::stop_token)>;

// Where deploy/setup.sh and an installation put the default model.
std::string DefaultModel() {
  return fmt::format("{}/third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf",
                     InstallationFolder());
}

void AddShape(CLI::App* sub, NiahArguments* arguments) {
  NiahFileOptions& file = arguments->file;
  sub->add_option("--count", arguments->count, "Samples of each language")
      ->check(CLI::Range(1, kMostSamples))
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--min-tokens", file.min_tokens,
                  "Lengths are spread over a range that begins here")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--max-tokens", file.max_tokens, "and ends here")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--tokens", file.tokens,
                  "These lengths in turn, instead of the range")
      ->delimiter(',')
      ->type_name("LIST");
  sub->add_option("--facts", arguments->facts,
                  "Facts in a document of family keyed (default: 1 to 8)")
      ->check(CLI::Range(1, 64))
      ->type_name("N");
  sub->add_option("--seed", file.seed, "The same seed gives the same files")
      ->capture_default_str()
      ->type_name("S");
}

void AddKind(CLI::App* sub, NiahArguments* arguments) {
  sub->add_option_function<std::string>(
         "--language",
         [arguments](const std::string& language) {
           if (language != "both") arguments->languages = {language};
         },
         "en, ko or both (default)")
      ->check(CLI::IsMember({"en", "ko", "both"}))
      ->type_name("LANGUAGE");
  sub->add_option("--family", arguments->families,
                  "passkey (default), keyed, absent, overview; several mix")
      ->delimiter(',')
      ->check(CLI::IsMember({"passkey", "keyed", "absent", "overview"}))
      ->type_name("LIST");
  sub->add_option("--frames", arguments->frames,
                  "mission: its one wording of a passkey (default); train: all "
                  "wordings that are trained on; held-out: others")
      ->check(CLI::IsMember({"mission", "train", "held-out"}))
      ->type_name("SET");
  sub->add_option("--split", arguments->split,
                  "Whose values and text: train, dev or test (default)")
      ->check(CLI::IsMember({"train", "dev", "test"}))
      ->type_name("SPLIT");
}

void AddNiah(CLI::App& app, Command* command) {
  CLI::App* sub = app.add_subcommand(
      "niah", "Needles in a haystack: global_niah.jsonl and korean_niah.jsonl");
  sub->footer(
      "Example:\n  gist data niah --language ko --tokens 1024,4096 --depths "
      "fifths --filler debian\n\nFiller is cut into train, dev and test by its "
      "own hash, values too.");
  auto arguments = std::make_shared<NiahArguments>();
  auto depths = std::make_shared<std::vector<std::string>>();
  arguments->model = DefaultModel();
  AddKind(sub, arguments.get());
  AddShape(sub, arguments.get());
  sub->add_option("--depths", *depths,
                  "Where needles stand, in percent, in turn: 50, 20-80 "
                  "(default) or fifths")
      ->delimiter(',')
      ->type_name("LIST");
  sub->add_option("--filler", arguments->filler,
                  "Text to hide needles in: files, folders, sample (default: "
                  "essays that are part of this program), or debian for the "
                  "text of its packages")
      ->type_name("PATH");
  sub->add_option("--model", arguments->model,
                  "Model whose tokenizer counts (default: the default one): " +
                      std::string(kModelHelp))
      ->type_name("MODEL");
  sub->add_option("--out", arguments->out, "Folder to write to")
      ->capture_default_str()
      ->type_name("DIR");
  sub->add_flag("--force", arguments->overwrite, "Replace existing files");
  sub->final_callback([command, arguments, depths] {
    *command = [arguments, depths](std::stop_token stop) -> absl::Status {
      if (!depths->empty()) {
        GIST_ASSIGN_OR_RETURN(arguments->file.depths, ParseDepths(*depths));
      }
      return RunNiah(*arguments, stop);
    };
  });
}

void AddLongBench(CLI::App& app, Command* command) {
  CLI::App* sub = app.add_subcommand("longbench",
                                     "Fetch LongBench's files and unpack them");
  sub->footer(
      "Example:\n  gist data longbench --url https://HOST/data.zip --sha256 "
      "HEX "
      "--out longbench\n\nNothing is unpacked before its SHA-256 is right; "
      "without --sha256 it is printed.");
  auto arguments = std::make_shared<LongBenchArguments>();
  CLI::Option* url = sub->add_option("--url", arguments->url,
                                     "Where the zip file is (http, https)")
                         ->type_name("URL");
  CLI::Option* from =
      sub->add_option("--from", arguments->file, "A zip file that is here")
          ->type_name("FILE")
          ->excludes(url);
  sub->add_option("--sha256", arguments->sha256, "64 hex digits, of the file")
      ->type_name("HEX");
  sub->add_option("--out", arguments->out, "Folder to unpack to")
      ->required()
      ->type_name("DIR");
  sub->final_callback([command, arguments, url, from] {
    if (url->count() + from->count() == 0) {
      throw CLI::RequiredError("--url or --from");
    }
    *command = [arguments](std::stop_token stop) {
      return RunLongBench(*arguments, stop);
    };
  });
}

void AddSquad(CLI::App& app, Command* command) {
  CLI::App* sub = app.add_subcommand(
      "squad", "Questions in SQuAD's format as samples of gist eval");
  sub->footer(
      "Example:\n  gist data squad dev-v2.0.json\n  gist eval --dataset "
      "dev-v2.0.jsonl --modes full,rag --out results.json\n\nSQuAD 1.1 and "
      "2.0, KorQuAD and others of their shape. A question without an answer "
      "wants a refusal.");
  auto arguments = std::make_shared<SquadArguments>();
  sub->add_option("FILE", arguments->file, "JSON file to read")
      ->required()
      ->type_name("");
  sub->add_option("--language", arguments->language,
                  "Of all questions (default: ko where one holds Hangul, else "
                  "en)")
      ->type_name("LANGUAGE");
  sub->add_option("--out", arguments->out,
                  "JSON Lines to write (default: FILE's name with .jsonl, in "
                  "this folder)")
      ->type_name("FILE");
  sub->add_flag("--force", arguments->overwrite, "Replace an existing file");
  sub->final_callback([command, arguments] {
    *command = [arguments](std::stop_token) { return RunSquad(*arguments); };
  });
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (IsLocal(status) || absl::IsNotFound(status)) return kLocal;
  return absl::IsInvalidArgument(status) ? kUsage : kFailed;
}

int Main(int argc, char** argv) {
  Command command;
  CLI::App app(kAbout, "gist data");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.require_subcommand(1);
  AddNiah(app, &command);
  AddLongBench(app, &command);
  AddSquad(app, &command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  const Interrupt interrupt;
  const absl::Status status = command(interrupt.token());
  if (status.ok()) return kOk;
  fmt::print(stderr, "gist data: {} [{}]\n", Message(status),
             absl::StatusCodeToString(status.code()));
  if (absl::IsCancelled(status)) return 128 + interrupt.signal();
  return ExitCodeOf(status);
}

}  // namespace
}  // namespace gist::client

int main(int argc, char** argv) { return gist::client::Main(argc, argv); }
