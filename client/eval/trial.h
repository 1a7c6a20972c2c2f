// One sample, asked in one mode: what came of it. A record of results.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/output.h"
#include "client/gist_client.h"

namespace gist::client {

// All 0 to 1; docs/evaluation.md defines each.
struct Scores {
  double exact = 0;
  double containment = 0;
  double f1 = 0;
  double rouge_l = 0;
  double score = 0;  // by the sample's metric: what "accuracy" is the mean of
};

// What an answer took; sizes in bytes, tokens of the server's model.
struct Costs {
  int64_t document_tokens = 0;
  int64_t kv_tokens = 0;      // gists and prefilled text, instead of these
  int64_t cached_tokens = 0;  // of them, found in the server's memory
  int64_t question_tokens = 0, answer_tokens = 0;
  double ratio = 0;  // document_tokens / kv_tokens
  int64_t kv_bytes = 0, full_kv_bytes = 0;
  double queue_seconds = 0, load_seconds = 0, index_seconds = 0;
  double search_seconds = 0, prefill_seconds = 0, first_token_seconds = 0;
  double decode_seconds = 0, total_seconds = 0;
  std::string finish_reason;
};

// What answers: a mode, its number of gists, and the answer adapter.
struct Source {
  Mode mode = Mode::kGist;
  int gists = 0;  // asked for; 0 in modes without gists
  AnswerAdapter answer_adapter = AnswerAdapter::kOff;

  friend auto operator<=>(const Source&, const Source&) = default;
};

struct Trial : Source {
  // The sample's; see client/eval/sample.h.
  std::string sample, dataset, document;
  std::string language, family, frame, choice, metric;
  int options = 3;  // of a choice
  std::string question;
  std::vector<std::string> wanted;
  int64_t tokens = 0;  // of the document, as the server counts; the file's
                       // where it could not
  std::optional<double> depth;
  uint64_t seed = 0;

  // Status and message where there was no answer; then scores are 0 and costs
  // are absent.
  std::optional<absl::Status> error;
  std::string answer;
  Scores scores;
  std::string answer_kind;  // Name(AnswerKind); empty after an error
  std::optional<Costs> costs;
  // Beyond what the server held before; absent where it was not measured.
  std::optional<int64_t> peak_memory_bytes;
  std::optional<bool>
      uncontended;  // nothing else used the server's engine meanwhile

  std::string context_id, adapter_fingerprint;
  double compress_seconds = 0;   // when it was computed
  bool compressed_here = false;  // in this run, not found on the server
  int passages = 0;              // that were given, in rag and hybrid
};

// Modes that answer from stored gists: they are asked for each number of them.
constexpr bool UsesGists(Mode mode) {
  return mode == Mode::kGist || mode == Mode::kHybrid;
}

// "frozen" or "trained": off and on in results and journals of earlier
// versions.
std::string_view OldAnswerAdapterName(AnswerAdapter adapter);
// A run's settings as an earlier version wrote them, by their present names.
Json WithPresentNames(const Json& settings);

// "gist 10", "full", "hybrid 25, answer adapter".
std::string Title(const Source& source);

// What a journal tells trials apart by.
std::string TrialKey(std::string_view sample, const Source& source);

// The smallest class of document length that holds `tokens`: 256, 512, 1,024,
// then by 1,024 up to 8,192, then doubling. 0 for 0 tokens.
int64_t LengthClass(int64_t tokens);
// 0 to 4.
int DepthFifth(double depth);
inline constexpr int kFifths = 5;

Json ToJson(const Trial& trial);
// Reads that back; kDataLoss says what is missing or wrong.
absl::StatusOr<Trial> TrialFromJson(const Json& json);

}  // namespace gist::client
