// Answers to scores.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/eval/sample.h"
#include "client/eval/trial.h"

namespace gist::client {

// Scores against all samples of a run: what another document's value is, only
// they tell. Immutable, thread-safe; borrows the samples.
class Scorer {
 public:
  explicit Scorer(std::span<const Sample> samples);

  // Sets the scores and the kind of `answer`.
  void Score(const Sample& sample, std::string_view answer, Trial* trial) const;

 private:
  // Values that are asked for, by document; each once.
  std::map<std::string, std::vector<std::string>> values_;
  std::map<std::string, std::vector<std::string>> elsewhere_;
};

// `text` with U+FFFD in place of each malformed sequence's bytes.
std::string ValidUtf8(std::string_view text);

}  // namespace gist::client
