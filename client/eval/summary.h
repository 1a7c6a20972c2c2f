// What many trials say together; docs/evaluation.md defines every figure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/eval/trial.h"
#include "core/scoring/metrics.h"

namespace gist::client {

// A share: `hits` of `total`, with Wilson's 95 % interval.
struct Share {
  int64_t hits = 0, total = 0;
  double value = 0;  // 0 for total 0
  Interval interval{0, 1};
};

// A mean of scores. Where all are 0 or 1 the interval is Wilson's, else the
// bootstrap's (1,000 resamples).
struct Mean {
  double value = 0;
  Interval interval{0, 1};
};

// Of what was answered; nothing where nothing was.
struct Spread {
  double median = 0, p95 = 0, mean = 0;
};

struct Cost {
  Spread ratio;        // of tokens
  Spread bytes_ratio;  // full context's KV bytes over kv_bytes
  Spread kv_bytes, kv_tokens, document_tokens;
  // Once for each document: compressing it, and indexing it for passages.
  Spread prepare_seconds;
  // Of the question alone: what indexing took is taken away.
  Spread first_token_seconds, total_seconds;
  Spread prefill_seconds, decode_seconds;
};

// Questions that the text answers, or those that it does not.
struct Part {
  int64_t asked = 0;
  Mean accuracy, exact;
};

// Trials that are counted together: of one source, and of what is set of the
// rest.
struct Group : Source {
  std::optional<std::string> language, family;
  std::optional<int64_t> length;   // LengthClass
  std::optional<int> depth_fifth;  // of trials that have a depth

  int64_t asked = 0, errors = 0;
  // Over all that were asked: an error is a wrong answer.
  Mean accuracy, exact, containment, f1;
  // Where questions about absent facts are among them: the mean of both kinds
  // says little.
  std::optional<Part> present, absent;
  std::optional<Mean> rouge_l;  // of summaries: where it is the metric
  std::optional<Cost> cost;     // of those that answered
  std::optional<Spread> peak_memory_bytes;  // of those that were measured
  int64_t not_alone = 0;  // answered while something else used the engine
};

// Of one source; language absent: of all.
struct Hallucination : Source {
  std::optional<std::string> language;
  Share confident;       // answers to absent facts that do not refuse
  Share false_refusal;   // refusals of facts that are there
  Share other_value;     // answers that name another value of the document
  Share other_document;  // answers that name another document's value
};

struct Understanding : Source {
  std::optional<std::string> language;
  std::optional<std::string> choice;  // of Sample
  Share right;
  double chance = 1.0 / 3;  // of one who guesses
};

struct Throughput : Source {
  int64_t documents = 0;  // compressed by this run or an earlier one
  // Of documents, by the time that compressing took; absent in modes without
  // gists.
  std::optional<double> compress_tokens_per_second = {};
  double document_tokens_per_second = 0;  // asked about, by total time
  double answer_tokens_per_second = 0;    // decoded, by decoding time
  double questions_per_minute = 0;        // by total time, one after the other
};

struct EvalSummary {
  // Of each source: all; by language; by language and family; that by length;
  // that by depth.
  std::vector<Group> groups;
  std::vector<Hallucination> hallucination;
  std::vector<Understanding> understanding;
  std::vector<Throughput> throughput;
};

// `seed`: of the bootstrap. The same trials, in any order, give the same.
EvalSummary Summarize(std::span<const Trial> trials, uint64_t seed);

Json ToJson(const EvalSummary& summary);

}  // namespace gist::client
