// `gist bench`, once its arguments are known.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/bench/measure.h"
#include "client/cli/commands.h"

namespace gist::client {

struct BenchArguments {
  BenchOptions options;
  std::string svg;  // picture to write; empty: none
};

// Measures the server and prints a row for each figure; with --json the figures
// become the reply. Says on standard error what runs.
absl::Status RunBench(const BenchArguments& arguments, Session& session);

// {"rounds", "compress": [...], "first_token": [...], ...}: each figure as
// {"min", "median", "max", "values"}. `info`: of the server that was measured.
Json ToJson(const BenchFigures& figures, const BenchOptions& options,
            const ServerInfo& info);
// Lines: minimum, median and maximum.
std::string BenchTable(const BenchFigures& figures);
// An SVG file of its own: seconds to first token, Compress and decoding by
// length, and answers at once.
std::string DrawBench(const BenchFigures& figures);

}  // namespace gist::client
