// results.json: how a run was made, its summary, one record a trial.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/eval/summary.h"
#include "client/eval/trial.h"

namespace gist::client {

inline constexpr char kResultsFormat[] = "gistd-eval/1";

struct Results {
  std::string version;               // of gist
  std::vector<std::string> command;  // the words of the command line
  int64_t started_unix_ms = 0;       // of the first run
  int64_t written_unix_ms = 0;
  int64_t planned = 0;  // trials; fewer records: it was stopped
  Json settings;        // what a rerun must have in common
  Json server;          // as GetServerInfo told it, in part
  Json machine;         // that gist ran on
  uint64_t seed = 0;
  std::vector<Trial> trials = {};  // by sample, mode and gists

  bool complete() const { return int64_t(trials.size()) >= planned; }
};

// This machine: processor, cores, memory, system.
Json DescribeMachine();

// The whole file's text. `summary`: of the results.
std::string Print(const Results& results, const EvalSummary& summary);

// A file of Print's text, or of its Zstandard form.
// kNotFound, or kDataLoss that says what is wrong, with the path in front.
absl::StatusOr<Results> ReadResults(const std::string& path);

}  // namespace gist::client
