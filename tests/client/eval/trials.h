// Trials as a run would have made them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/eval/results.h"
#include "client/eval/trial.h"
#include "fmt/format.h"

namespace gist::client {

struct TrialSpec {
  Mode mode = Mode::kGist;
  int gists = 10;
  AnswerAdapter answer_adapter = AnswerAdapter::kOff;
  double score = 1;
  std::string language = "en";
  std::string family = "passkey";
  int64_t tokens = 1000;
  double depth = 0.5;
  std::string kind = "right";
  std::string answer = "ABC123";
};

// `sample`: also its question's and document's number.
inline Trial MakeTrial(int sample, const TrialSpec& spec) {
  Trial trial;
  trial.sample = fmt::format("{:016x}", sample);
  trial.document = fmt::format("{:016x}", sample / 2);
  trial.dataset = "made.jsonl";
  trial.language = spec.language;
  trial.family = spec.family;
  trial.frame = "passkey-en-01";
  trial.metric = spec.family == "overview" ? "choice" : "containment";
  if (spec.family == "overview") trial.choice = "topic";
  trial.question = fmt::format("What is the key of {}?", sample);
  trial.wanted = {"ABC123"};
  trial.tokens = spec.tokens;
  if (spec.family == "passkey") trial.depth = spec.depth;
  trial.mode = spec.mode;
  trial.gists = UsesGists(spec.mode) ? spec.gists : 0;
  trial.answer_adapter = spec.answer_adapter;
  trial.answer = spec.answer;
  trial.answer_kind = spec.kind;
  trial.scores = {.exact = spec.score == 1 ? 1.0 : 0.0,
                  .containment = spec.score,
                  .f1 = spec.score,
                  .rouge_l = spec.score,
                  .score = spec.score};
  const bool full = spec.mode == Mode::kFull;
  const int64_t standing = full ? spec.tokens : 10;
  trial.costs = Costs{.document_tokens = spec.tokens,
                      .kv_tokens = standing,
                      .question_tokens = 9,
                      .answer_tokens = 6,
                      .ratio = double(spec.tokens) / double(standing),
                      .kv_bytes = standing * 23'040,
                      .full_kv_bytes = spec.tokens * 23'040,
                      .prefill_seconds = full ? 2.5 : 0.05,
                      .first_token_seconds = full ? 2.6 : 0.0625,
                      .decode_seconds = 0.25,
                      .total_seconds = full ? 2.9 : 0.5,
                      .finish_reason = "stop"};
  trial.peak_memory_bytes = full ? 200'000'000 : 12'000'000;
  trial.uncontended = true;
  trial.context_id = "ctx_0123456789abcdef0123456789abcdef";
  trial.adapter_fingerprint = std::string(64, 'b');
  trial.compress_seconds = 1.5;
  trial.compressed_here = true;
  return trial;
}

inline Trial MakeError(int sample, const TrialSpec& spec,
                       const std::string& message) {
  Trial trial = MakeTrial(sample, spec);
  trial.error = absl::OutOfRangeError(message);
  trial.answer = trial.answer_kind = "";
  trial.scores = {};
  trial.costs.reset();
  trial.peak_memory_bytes.reset();
  trial.uncontended.reset();
  return trial;
}

inline Results MakeResults(std::vector<Trial> trials) {
  Results results;
  results.version = "0.1.0";
  results.command = {"gist", "eval", "--dataset", "made.jsonl"};
  results.started_unix_ms = 1'700'000'000'000;
  results.written_unix_ms = 1'700'000'100'000;
  results.planned = int64_t(trials.size());
  results.settings = {{"modes", {"gist", "full"}}, {"concurrency", 1}};
  results.server = {{"model", "Tiny"}, {"device", "cpu"}};
  results.machine = DescribeMachine();
  results.seed = 7;
  results.trials = std::move(trials);
  return results;
}

}  // namespace gist::client
