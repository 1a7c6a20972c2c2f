// `gist eval`, once its arguments are known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/commands.h"
#include "client/eval/runner.h"

namespace gist::client {

// Files to draw results into; empty: none.
struct Drawings {
  std::string html;  // the report
  std::string svg;   // its picture of accuracy against memory
};

struct EvalArguments {
  std::vector<std::string> datasets;
  RunOptions run;   // no gists: the adapter's default number
  std::string out;  // results.json
  Drawings drawings;
  std::vector<std::string> replicas;  // HOST:PORT of further servers
  int64_t limit = 0;     // of each dataset the first so many samples; 0: all
  bool restart = false;  // drop what an earlier run asked
  std::vector<std::string> command;  // to be told in the results
};
// Asks what is not in the journal, OUT.journal, writes the results and prints
// a row for each mode. Results without a journal get one first. An OUT that
// ends in ".zst" is compressed. kFailedPrecondition: a replica with another
// model, adapter, answer adapter or device. Also after Ctrl-C or an error the
// results hold what was asked so far.
absl::Status RunEval(const EvalArguments& arguments, Session& session);

// Draws the file of results `path`, which is there; needs no server.
absl::Status RunReport(const std::string& path, const Drawings& drawings,
                       Session& session);

}  // namespace gist::client
