#include "server/retrieval/embed_job.h"

#include <algorithm>
#include <string_view>

#include "core/base/status.h"

namespace gist {
absl::StatusOr<Job::Next> EmbedJob::Step(Engine&, int max_tokens) {
  const size_t count = size_t(std::max(1, max_tokens / kTextTokens));
  const size_t end = std::min(done_ + count, texts_.size());
  const std::vector<std::string_view> texts(texts_.begin() + long(done_),
                                            texts_.begin() + long(end));
  const TextKind kind =
      queue_class_ == QueueClass::kAsk ? TextKind::kQuery : TextKind::kPassage;
  GIST_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                        embedder_.Embed(texts, kind));
  if (vectors.size() != texts.size() * size_t(embedder_.info().dimensions)) {
    return absl::InternalError(
        "embed: the embedder made vectors of another size");
  }
  outcome_->vectors.insert(outcome_->vectors.end(), vectors.begin(),
                           vectors.end());
  done_ = end;
  outcome_->progress.Post(int(done_));
  return done_ < texts_.size() ? Next::kStep : Next::kDone;
}

}  // namespace gist
