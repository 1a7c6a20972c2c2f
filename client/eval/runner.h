// Asks a running server what is to be measured.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/eval/journal.h"
#include "client/eval/sample.h"
#include "client/eval/scoring.h"
#include "client/eval/trial.h"

namespace gist::client {

struct RunOptions {
  // At least one of each.
  std::vector<Mode> modes = {std::begin(kModes), std::end(kModes)};
  std::vector<int> gists;  // of modes with gists
  std::vector<AnswerAdapter> answer_adapters = {AnswerAdapter::kOff};
  // Documents in flight at each server. 1: each question goes through Compare,
  // which reads anew and measures memory. More: through Ask; memory is not
  // measured, and times hold what the others did to them.
  int concurrency = 1;
  int max_tokens = 0;  // of an answer; 0: the sample's, else kAnswerTokens
  Retrieval retrieval;
  uint64_t seed = 0;
  // Afterwards the contexts that this run made.
  bool delete_contexts = false;
};
inline constexpr int kAnswerTokens = 64;

// One question to be asked.
struct Step {
  const Sample* sample = nullptr;
  Source source;
};
// All steps over one document, in the order in which they are asked: it is
// compressed once for each number of gists.
using DocumentSteps = std::vector<Step>;

// Without the steps whose TrialKey is in `done`. The first documents of all
// data sets come first, then the second ones, so that a run that is stopped has
// asked of each. Borrows the samples.
std::vector<DocumentSteps> PlanSteps(std::span<const Sample> samples,
                                     const RunOptions& options,
                                     const std::set<std::string>& done);

// Asks all steps; each trial goes to the journal, an error of the server about
// a document or a question too. What ends the run: kUnavailable, kCancelled,
// kUnimplemented, kUnauthenticated and kPermissionDenied of the server, errors
// of the journal. `on_trial` is called by the threads that ask, one at a time.
class Runner {
 public:
  // `servers`: at least one, all with the same model and adapters. A
  // document is asked of one of them.
  Runner(std::vector<const GistClient*> servers, const Scorer& scorer,
         const RunOptions& options, Journal* journal)
      : servers_(std::move(servers)),
        scorer_(scorer),
        options_(options),
        journal_(*journal) {}

  absl::Status Run(const std::vector<DocumentSteps>& documents,
                   std::stop_token stop, const std::function<void()>& on_trial);

 private:
  absl::Status AskDocument(const GistClient& server, const DocumentSteps& steps,
                           std::stop_token stop,
                           const std::function<void()>& on_trial);
  // Fills in the answer, or the error; returns what ends the run.
  // `gist_tokens`: of the representation to ask, in modes with gists.
  absl::Status Ask(const GistClient& server, const Step& step, int gist_tokens,
                   std::stop_token stop, Trial* trial);
  absl::StatusOr<ModeAnswer> AskOnce(const GistClient& server,
                                     const Question& question,
                                     std::optional<bool>* uncontended);

  const std::vector<const GistClient*> servers_;
  const Scorer& scorer_;
  const RunOptions& options_;
  Journal& journal_;
  std::mutex mutex_;  // of on_trial
};

}  // namespace gist::client
