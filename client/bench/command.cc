#include "client/bench/command.h"

#include <algorithm>
#include <utility>

#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

Json SpreadJson(const Samples& values) {
  if (values.empty()) return nullptr;
  return {{"min", std::ranges::min(values)},
          {"median", Median(values)},
          {"max", std::ranges::max(values)},
          {"values", values}};
}

// "tokens": the median; nothing was measured: null.
Json TokensJson(const Samples& tokens) {
  return tokens.empty() ? Json() : Json(Median(tokens));
}

std::string Line(const std::string& what, const Samples& values,
                 double factor = 1) {
  if (values.empty()) return fmt::format("{:<44}  none\n", what);
  return fmt::format("{:<44} {:>9.4g} {:>9.4g} {:>9.4g}\n", what,
                     factor * std::ranges::min(values), factor * Median(values),
                     factor * std::ranges::max(values));
}

int64_t Tokens(const Samples& tokens) {
  return tokens.empty() ? 0 : int64_t(Median(tokens));
}

absl::Status WritePicture(const std::string& path,
                          const BenchFigures& figures) {
  GIST_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::Create(path, /*overwrite=*/true));
  GIST_RETURN_IF_ERROR(file.Write(DrawBench(figures)));
  return file.Commit();
}

}  // namespace

Json ToJson(const BenchFigures& figures, const BenchOptions& options,
            const ServerInfo& info) {
  Json json = {{"version", info.version()},
               {"model", info.model_name()},
               {"model_fingerprint", info.model_fingerprint()},
               {"adapter", info.adapter_name()},
               {"device", info.device()},
               {"rounds", options.rounds},
               {"compress", Json::array()},
               {"first_token", Json::array()},
               {"decode", Json::array()},
               {"answers", Json::array()},
               {"overhead_seconds", SpreadJson(figures.overhead)}};
  for (const CompressFigures& one : figures.compress) {
    json["compress"].push_back(
        {{"tokens", TokensJson(one.tokens)},
         {"seconds", SpreadJson(one.seconds)},
         {"tokens_per_second", SpreadJson(one.tokens_per_second)},
         {"over_prefill", SpreadJson(one.over_prefill)}});
  }
  for (const FirstTokenFigures& one : figures.first_token) {
    json["first_token"].push_back({{"tokens", TokensJson(one.tokens)},
                                   {"mode", ModeName(one.mode)},
                                   {"first_seconds", SpreadJson(one.first)},
                                   {"again_seconds", SpreadJson(one.again)}});
  }
  for (const DecodeFigures& one : figures.decode) {
    json["decode"].push_back(
        {{"tokens", TokensJson(one.tokens)},
         {"mode", ModeName(one.mode)},
         {"tokens_per_second", SpreadJson(one.tokens_per_second)}});
  }
  for (const AnswerFigures& one : figures.answers) {
    json["answers"].push_back(
        {{"at_once", one.at_once},
         {"tokens_per_second", SpreadJson(one.tokens_per_second)}});
  }
  return json;
}

std::string BenchTable(const BenchFigures& figures) {
  std::string table =
      fmt::format("{:<44} {:>9} {:>9} {:>9}\n", "", "min", "median", "max");
  for (const CompressFigures& one : figures.compress) {
    const std::string what = fmt::format("compress {}", Tokens(one.tokens));
    table += Line(what + ", tokens/s", one.tokens_per_second);
    table += Line(what + ", over its prefill", one.over_prefill);
  }
  for (const FirstTokenFigures& one : figures.first_token) {
    const std::string what = fmt::format(
        "first token of {}, {}", Tokens(one.tokens), ModeName(one.mode));
    table += Line(what + ", ms", one.first, 1e3);
    table += Line(what + ", again, ms", one.again, 1e3);
  }
  for (const DecodeFigures& one : figures.decode) {
    table += Line(fmt::format("decode after {}, {}, tokens/s",
                              Tokens(one.tokens), ModeName(one.mode)),
                  one.tokens_per_second);
  }
  for (const AnswerFigures& one : figures.answers) {
    table += Line(fmt::format("{} at once, tokens/s", one.at_once),
                  one.tokens_per_second);
  }
  if (!figures.overhead.empty())
    table += Line("call beyond the engine, ms", figures.overhead, 1e3);
  return table;
}

absl::Status RunBench(const BenchArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(const ServerInfo info, session.client.GetServerInfo());
  StepLine line;
  const auto say = [&line](std::string step) {
    if (CanShowProgress()) {
      line.Begin(std::move(step));
    } else {
      PrintNote(step);
    }
  };
  GIST_ASSIGN_OR_RETURN(
      const BenchFigures figures,
      MeasureServer(session.client, arguments.options, session.stop, say));
  line.Clear();
  session.reply = ToJson(figures, arguments.options, info);
  if (!arguments.svg.empty())
    GIST_RETURN_IF_ERROR(WritePicture(arguments.svg, figures));
  if (!session.json) GIST_RETURN_IF_ERROR(WriteStdout(BenchTable(figures)));
  if (!arguments.svg.empty()) PrintNote("wrote " + arguments.svg);
  return absl::OkStatus();
}

}  // namespace gist::client
