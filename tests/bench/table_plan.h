// Which samples are asked, from what, in which order; what is left of it.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/data/record.h"
#include "tests/bench/table_asker.h"
#include "tests/bench/table_stats.h"

namespace gist::bench {

// A record with its place in the table.
struct Sample {
  Record record;
  std::string id;  // Answered.sample
  std::string set;
  int length = 0;  // Answered.length
};
// 16 hex digits, of what is asked and what is right.
std::string SampleId(const Record& record);

struct PlanOptions {
  std::vector<int> gists;  // numbers of gists
  std::vector<Source> sources;
  // Of the model: longer full contexts are left out.
  int max_context_tokens = 0;
  // Of each cell, how many samples controls and full context are asked of;
  // 0: all.
  int controls = 0;
};

// One question to be asked.
struct Step {
  size_t sample = 0;  // index
  Ask ask;
  double work = 0;  // in tokens that have to be read, about
};

// Samples of one document, and its numbers of gists, stand together, so that a
// document is read once. Controls are for the first number of gists. `done`
// holds what StepKey gives. `samples` must outlive the steps.
std::vector<Step> MakeSteps(std::span<const Sample> samples,
                            const PlanOptions& options,
                            const std::set<std::string>& done);
std::string StepKey(const std::string& sample, Source source, int gists);

// The first `count` of each set, family, language and length; 0: all.
std::vector<Sample> KeepCount(std::vector<Sample> samples, int count);

}  // namespace gist::bench
