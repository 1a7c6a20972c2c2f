// Texts on their way to their vectors, as the scheduler runs them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/embed/embedder.h"
#include "server/scheduling/caller.h"
#include "server/scheduling/mailbox.h"
#include "server/scheduling/scheduler.h"

namespace gist {

// Shared by the job and the one who waits. `vectors` may be read once the
// mailbox is closed with OK.
struct EmbedOutcome {
  Mailbox<int> progress;       // texts that are done
  std::vector<float> vectors;  // row-major, in the order of the texts
  bool uncontended = true;     // no other job was there meanwhile
};

// A few texts a step, so that nobody waits long.
class EmbedJob : public Job {
 public:
  // `queue_class`: kAsk for a question, embedded as a query; kCompress for
  // documents, whose texts are passages.
  EmbedJob(Embedder& embedder, std::vector<std::string> texts,
           QueueClass queue_class, std::shared_ptr<EmbedOutcome> outcome)
      : embedder_(embedder),
        texts_(std::move(texts)),
        queue_class_(queue_class),
        outcome_(std::move(outcome)) {}

  QueueClass queue_class() const override { return queue_class_; }
  int64_t tokens_left() const override {
    return int64_t(texts_.size() - done_) * kTextTokens;
  }
  absl::StatusOr<Next> Step(Engine& engine, int max_tokens) override;
  void End(const absl::Status& status) override {
    outcome_->progress.Close(status);
  }
  void OnContention() override { outcome_->uncontended = false; }

 private:
  // What a passage costs to embed, in tokens that the model reads.
  static constexpr int kTextTokens = 32;

  Embedder& embedder_;
  const std::vector<std::string> texts_;
  const QueueClass queue_class_;
  const std::shared_ptr<EmbedOutcome> outcome_;
  size_t done_ = 0;
};

}  // namespace gist
