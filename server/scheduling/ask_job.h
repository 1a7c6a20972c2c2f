// A question on its way to its answer, as the scheduler runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/scheduling/caller.h"
#include "server/scheduling/kv_cache_pool.h"
#include "server/scheduling/mailbox.h"
#include "server/scheduling/scheduler.h"

namespace gist {

// Makes valid UTF-8 out of bytes that arrive in any pieces: a character that is
// split waits for its rest, what can never become one turns into U+FFFD.
class Utf8Stream {
 public:
  // The characters that are whole now.
  std::string Add(std::string_view bytes);
  // What is left at the end.
  std::string Finish();

 private:
  std::string rest_;
};

struct AskWork {
  std::string tenant;            // who asks
  Clock::time_point arrival;     // of the request
  std::vector<CompressedKv> kv;  // in order; empty: the text alone
  std::vector<int32_t> tokens;   // context, if any, and question
  int context_tokens = 0;  // of `tokens`: to be kept for the next question
  // The last of `tokens` and the answer run with the answer adapter; 0: none.
  int adapter_tokens = 0;
  std::vector<std::string> document_ids;  // of the context
  uint64_t begun = 0;                     // as CachedText's
  Sampling sampling;
  int max_tokens = 0;  // of the answer, 1 or more
};

// Shared by the job and the one who waits. All but the mailbox may be read once
// that is closed with OK.
struct AskOutcome {
  Mailbox<std::string> text;  // pieces of whole characters, none empty
  int answer_tokens = 0;      // the end of turn not counted
  bool stopped = false;       // at the end of turn; else at max_tokens
  int cached_tokens = 0;      // of the context, that were not read again
  bool uncontended = true;    // no other job was there meanwhile
  double queue_seconds = 0;
  double prefill_seconds = 0;      // of its steps, and from the last to a token
  double first_token_seconds = 0;  // from the request's arrival
  double decode_seconds = 0;       // wall time after the first token
  // Wall time between each token and the one before; the end of turn is none.
  std::vector<float> itl_seconds;
};

// Leaves a context that it has read in `cache`, and uses one that is there.
class AskJob : public Job {
 public:
  AskJob(AskWork work, std::shared_ptr<AskOutcome> outcome, KvCachePool& cache);

  QueueClass queue_class() const override { return QueueClass::kAsk; }
  int64_t tokens_left() const override {
    return int64_t(work_.tokens.size() - loaded_tokens_);
  }
  int64_t tokens_read() const override { return tokens_read_; }
  int64_t kv_tokens() const override;
  // Loads all stored keys and values, then prefills.
  absl::StatusOr<Next> Step(Engine& engine, int max_tokens) override;
  PromptSequence* prompt() override { return prompt_.get(); }
  absl::StatusOr<Next> Take(const DecodedToken& token) override;
  void End(const absl::Status& status) override;
  void OnContention() override { outcome_->uncontended = false; }

 private:
  absl::Status Start(Engine& engine);
  absl::Status Feed(Engine& engine, int max_tokens);
  std::span<const int32_t> Context() const {
    return std::span(work_.tokens).first(size_t(work_.context_tokens));
  }
  // The first token with the answer adapter; the end of work_.tokens: none.
  size_t AdapterFrom() const {
    return work_.tokens.size() - size_t(work_.adapter_tokens);
  }
  void PostText(std::string text);

  const AskWork work_;
  const std::shared_ptr<AskOutcome> outcome_;
  KvCachePool& cache_;
  const Clock::time_point submitted_ = Clock::now();
  Clock::time_point stepped_, first_token_, last_token_;  // last Step's end
  std::unique_ptr<PromptSequence> prompt_;
  size_t loaded_kv_ = 0;      // of work_.kv
  size_t loaded_tokens_ = 0;  // of work_.tokens
  int64_t tokens_read_ = 0;
  bool has_token_ = false;
  Utf8Stream utf8_;
};

}  // namespace gist
