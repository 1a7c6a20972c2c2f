// The arguments of `gist bench`.
#include "client/bench/command.h"
#include "client/cli/cli_parts.h"

namespace gist::client {
namespace {

constexpr int kMostRounds = 1000;
constexpr int kMostAtOnce = 256;

CLI::Option* AddList(CLI::App* sub, const std::string& flag,
                     std::vector<int>* values, int most,
                     const std::string& about) {
  return sub->add_option(flag, *values, about)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, most))
      ->type_name("LIST");
}

void AddCount(CLI::App* sub, const std::string& flag, int* value, int most,
              const std::string& about) {
  sub->add_option(flag, *value, about)
      ->check(CLI::Range(1, most))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace

void AddBench(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "bench", "Time the server: first tokens, Compress, decoding",
      "gist bench --lengths 500,2000 --svg bench.svg\n  gist bench --only "
      "answers --at-once 1,8 --json");
  auto arguments = std::make_shared<BenchArguments>();
  BenchOptions& options = arguments->options;
  AddChoices(sub, "--only", &options.parts, kBenchParts, BenchPartName,
             "Parts: compress, first_token, decode, answers (default: all)");
  AddList(sub, "--lengths", &options.lengths, kMostTokens,
          "Tokens of the texts, about (default: 500,2000,8000)");
  AddChoices(sub, "--modes", &options.modes, kModes, ModeName,
             "Modes to ask in (default: gist,full,rag)");
  AddList(sub, "--at-once", &options.at_once, kMostAtOnce,
          "Answers at once (default: 1,2,4,8,16)");
  AddCount(sub, "--rounds", &options.rounds, kMostRounds,
           "Rounds, each with texts of its own");
  AddCount(sub, "--repeats", &options.repeats, kMostRounds,
           "Repeats of a question whose text the server has read");
  AddCount(sub, "--answer-tokens", &options.answer_tokens, kMostTokens,
           "Longest answer, where decoding is timed");
  sub->add_option("--svg", arguments->svg, "Picture to write")
      ->type_name("FILE");
  Choose(sub, command, arguments, RunBench);
}

}  // namespace gist::client
