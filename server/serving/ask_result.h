// What a call took, and what is known of an answer. Fields mean the same as in
// gist.v1 (usage.proto, ask.proto): tokens, bytes, seconds of wall clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/compress/representation.h"
#include "server/retrieval/retriever.h"

namespace gist {

enum class AskMode {
  kGist,
  kFull,
  kRag,     // passages that retrieval finds
  kHybrid,  // gists, and those passages behind them
};

struct Usage {
  int documents = 0;
  int64_t document_tokens = 0;
  int prefix_tokens = 0;
  int64_t loaded_slots = 0;  // of stored representations
  int64_t prefilled_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t truncated_tokens = 0;
  int question_tokens = 0;
  int answer_tokens = 0;
  int64_t kv_bytes = 0;
  int64_t full_kv_bytes = 0;
  double compression_ratio = 0;

  // Slots that stand for the documents.
  int64_t document_slots() const { return loaded_slots + prefilled_tokens; }
  // The whole prompt.
  int64_t prompt_tokens() const {
    return prefix_tokens + document_slots() + question_tokens;
  }
};

struct Timings {
  double queue_seconds = 0;
  double tokenize_seconds = 0;
  double load_seconds = 0;
  double index_seconds = 0;
  double search_seconds = 0;
  double prefill_seconds = 0;
  double build_seconds = 0;
  double store_seconds = 0;
  double first_token_seconds = 0;
  double decode_seconds = 0;
  double total_seconds = 0;
};

struct Verdict {
  bool refused = false;  // IsAbsentAnswer
};

struct AskResult {
  AskMode mode_used = AskMode::kGist;
  std::optional<Rung> rung_used;  // empty: the text
  bool stopped = false;  // at the end of turn; else at the longest answer
  Verdict verdict;
  Usage usage;
  Timings timings;
  std::string model_fingerprint;
  std::vector<std::string> adapter_fingerprints;  // of each context named
  std::string answer_adapter_fingerprint;  // empty: the base model answered
  std::string embedder_fingerprint;        // in kRag and kHybrid
  std::vector<RetrievedChunk> chunks;      // likewise; the best first

  // Not on the wire.
  std::vector<float> itl_seconds;  // inter-token latency, each token's
  int indexed_documents = 0;       // their chunk index was not in the store
  bool uncontended = true;         // no other request used the engine meanwhile
};

}  // namespace gist
