#include "server/embed_job.h"

#include <algorithm>
#include <string_view>

#include "core/base/status.h"

namespace gist {
namespace {

// About as many tokens as one prefill chunk.
constexpr size_t kTextsPerStep = 4;

}  // namespace

absl::StatusOr<Job::Next> EmbedJob::Step(Engine&) {
  const size_t end = std::min(done_ + kTextsPerStep, texts_.size());
  const std::vector<std::string_view> texts(texts_.begin() + long(done_),
                                            texts_.begin() + long(end));
  GIST_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                        embedder_.Embed(texts));
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
