// The files of the adapter's table: samples that are read, results that grow
// line by line and survive a kill.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/record.h"
#include "tests/bench/table_stats.h"

namespace gist::bench {

// A JSON Lines file of samples, as gist data makes them. A missing language is
// "en", a missing family "passkey", a missing depth the needle's position;
// without a needle (absent facts) it is -1. Errors are ReadRecords'.
absl::StatusOr<std::vector<Record>> ReadSamples(const std::string& path);

// What all results of a file have in common.
struct RunInfo {
  std::string machine;  // "2 cores, Intel Xeon ..."
  std::string model_name, model_fingerprint;
  std::string adapter_name, adapter_fingerprint;
  std::vector<std::string> commands;  // that made the data and the table
};

// A folder with results.jsonl (an Answered a line) and run.json. Without
// results.jsonl, results.jsonl.zst is expanded into it first.
class ResultsFile {
 public:
  // Reads what is there. A line that a kill cut short is dropped.
  // kFailedPrecondition: the results are of another model or adapter;
  // kDataLoss: a damaged line, named; kUnavailable: the folder cannot be
  // written.
  static absl::StatusOr<ResultsFile> Open(const std::string& folder,
                                          const RunInfo& run);
  const std::vector<Answered>& answers() const { return answers_; }
  // On disk when it returns, unless the machine fails.
  absl::Status Append(const Answered& answered);

 private:
  std::vector<Answered> answers_;
  std::ofstream out_;
};

// Replaces the file. kUnavailable.
absl::Status WriteFile(const std::string& path, const std::string& text);

}  // namespace gist::bench
