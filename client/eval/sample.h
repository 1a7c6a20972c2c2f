// Samples to measure on, of every kind of file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/scoring/longbench.h"

namespace gist::client {

struct Sample {
  std::string id;        // 16 hex digits of what is asked, unique in a run
  std::string dataset;   // the file's name, without folders
  std::string document;  // 16 hex digits of the context
  std::string context, question;
  std::vector<std::string> answers;  // each is right
  std::string language;              // "en", "ko", "zh"
  // "passkey", "keyed", "absent", "overview"; "needle": a file without
  // families; "custom": one without needles; else a dataset of LongBench.
  std::string family;
  std::string frame;   // of core/data's generators
  int64_t tokens = 0;  // of the context, as the file says; 0: not known
  std::optional<double> depth;  // of a single needle, share of the document
  uint64_t seed = 0;            // of the file
  // What scores it (docs/evaluation.md): "containment", "refusal", "choice",
  // "f1", or LongBench's.
  std::string metric;
  int answer_tokens = 0;  // longest answer; 0: the run's
  std::string choice;  // "topic", "mention", "order", "options" (of the record)
  std::vector<std::string> options;  // of a choice
  // Without its context.
  std::optional<LongBenchRecord> longbench;

  bool IsAbsent() const { return family == "absent"; }
  // Is it a question whose answer stands in the text as a value?
  bool IsFact() const;
};

// A file that was read.
struct DatasetFile {
  std::string path;
  std::string sha256;
  std::string format;  // "records" or "longbench"
  int64_t samples = 0;
};

struct SampleSet {
  std::vector<DatasetFile> files;
  std::vector<Sample> samples;  // in the files' order
};

// JSON Lines of `gist data niah`, of the same keys, or of LongBench; the first
// line tells which. `limit`: of each file the first so many; 0: all. Errors
// begin with the path, and the line's number where it is one's: kNotFound (it
// cannot be read), kInvalidArgument, kUnimplemented (a dataset that cannot be
// scored).
absl::StatusOr<SampleSet> ReadSamples(const std::vector<std::string>& paths,
                                      int64_t limit);

}  // namespace gist::client
