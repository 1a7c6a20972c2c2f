// The arguments of `gist eval`.
#include <algorithm>
#include <map>

#include "client/cli/cli_parts.h"
#include "client/eval/command.h"

namespace gist::client {
namespace {

constexpr int kMostSamples = 10'000'000;

struct Arguments {
  EvalArguments eval;
  std::string from;
};

void AddWhat(CLI::App* sub, Arguments* arguments) {
  EvalArguments& eval = arguments->eval;
  sub->add_option("--dataset", eval.datasets,
                  "JSON Lines of gist data niah, or of LongBench; may be "
                  "repeated")
      ->allow_extra_args(false)
      ->type_name("FILE");
  AddChoices(sub, "--modes", &eval.run.modes, kModes, ModeName,
             "What to answer from: gist, full, rag, hybrid (default: all)");
  sub->add_option("--gists", eval.run.gists,
                  "Numbers of gists, each asked (default: the adapter's)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("LIST");
  AddChoices(sub, "--answer-adapters", &eval.run.answer_adapters,
             kAnswerAdapters, AnswerAdapterName,
             "LoRA on question and answer: off (default), on, or both");
  // The old name and values stay until 0.1.0.
  AddChoices(sub, "--readers", &eval.run.answer_adapters, kAnswerAdapters,
             OldAnswerAdapterName, "")
      ->group("");
  sub->add_option("--limit", eval.limit,
                  "Of each dataset only the first N samples")
      ->check(CLI::Range(1, kMostSamples))
      ->type_name("N");
}

void AddHow(CLI::App* sub, EvalArguments* eval) {
  sub->add_option("--concurrency", eval->run.concurrency,
                  "Documents in flight at each server (default: 1). With more, "
                  "memory is not "
                  "measured, and times say what the others did to them")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  sub->add_option("--replicas", eval->replicas,
                  "HOST:PORT of further servers with the same model, adapter "
                  "and answer adapter: documents are dealt out to all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST");
  sub->add_option("--max-tokens", eval->run.max_tokens,
                  "Longest answer (default: LongBench's own, else 64)")
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("N");
  sub->add_option("--seed", eval->run.seed,
                  "Of the intervals' resampling (default: 0); answers are "
                  "greedy")
      ->type_name("S");
  sub->add_flag("--delete", eval->run.delete_contexts,
                "Delete the contexts that it made, document by document");
  AddRetrieval(sub, &eval->run.retrieval);
}

void AddOutputs(CLI::App* sub, Arguments* arguments) {
  sub->add_option(
         "--out", arguments->eval.out,
         "Results, JSON (FILE.zst: compressed); beside it FILE.journal, "
         "from which a stopped run continues")
      ->type_name("FILE");
  sub->add_option("--html", arguments->eval.drawings.html, "Report to write")
      ->type_name("FILE");
  sub->add_option("--svg", arguments->eval.drawings.svg,
                  "Its figure of accuracy against memory, as a picture")
      ->type_name("FILE");
  sub->add_flag("--restart", arguments->eval.restart,
                "Drop what an earlier run of this --out asked");
  sub->add_option("--from", arguments->from,
                  "Draw the report of these results (JSON, or its .zst); asks "
                  "nothing")
      ->type_name("FILE");
}

void Check(const Arguments& arguments) {
  const EvalArguments& eval = arguments.eval;
  if (!arguments.from.empty()) {
    if (eval.drawings.html.empty() && eval.drawings.svg.empty()) {
      throw CLI::RequiredError("--html or --svg, with --from,");
    }
    if (!eval.datasets.empty() || !eval.out.empty()) {
      throw CLI::ValidationError("--from",
                                 "asks nothing: leave --dataset and "
                                 "--out away");
    }
    return;
  }
  if (eval.datasets.empty()) throw CLI::RequiredError("--dataset");
  if (eval.out.empty()) throw CLI::RequiredError("--out");
}

}  // namespace

void AddEval(CLI::App& app, Command* command,
             const std::vector<std::string>& words) {
  CLI::App* sub = AddSubcommand(
      app, "eval", "Measure modes against each other on a data set",
      "gist data niah --filler debian --out samples\n  gist eval --dataset "
      "samples/global_niah.jsonl --modes gist,full --out\n    results.json "
      "--html report.html");
  auto arguments = std::make_shared<Arguments>();
  AddWhat(sub, arguments.get());
  AddHow(sub, &arguments->eval);
  AddOutputs(sub, arguments.get());
  sub->final_callback([command, arguments, words] {
    Check(*arguments);
    std::ranges::sort(arguments->eval.run.answer_adapters);
    auto& gists = arguments->eval.run.gists;
    std::sort(gists.begin(), gists.end());
    gists.erase(std::unique(gists.begin(), gists.end()), gists.end());
    arguments->eval.command = words;
    *command = [arguments](Session& session) {
      if (arguments->from.empty()) return RunEval(arguments->eval, session);
      return RunReport(arguments->from, arguments->eval.drawings, session);
    };
  });
}

}  // namespace gist::client
