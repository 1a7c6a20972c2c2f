#include "server/scheduling/compress_job.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/base/status.h"
#include "server/support/errors.h"

namespace gist {
namespace {

// No tenant finds out by the clock what another one read.
std::string OwnerOf(const CompressWork& work) {
  return fmt::format("{}/{}/{}", work.tenant, RungName(work.spec.rung),
                     work.adapter_fingerprint);
}

}  // namespace

CompressJob::CompressJob(CompressWork work,
                         std::shared_ptr<CompressOutcome> outcome,
                         KvCachePool& cache)
    : work_(std::move(work)), outcome_(std::move(outcome)), cache_(cache) {}

absl::StatusOr<Job::Next> CompressJob::Step(Engine& engine, int max_tokens) {
  if (document_ == nullptr) {
    if (parts_.empty()) {
      started_ = Clock::now();
      outcome_->queue_seconds = SecondsSince(submitted_);
    }
    GIST_RETURN_IF_ERROR(Begin(engine));
    return Next::kStep;
  }
  GIST_RETURN_IF_ERROR(done_ < GroupEnd() ? Read(engine, max_tokens)
                                          : Finish(engine));
  if (parts_.size() < size_t(work_.groups)) return Next::kStep;
  CompressedKv joined = std::move(parts_.front());
  if (parts_.size() > 1) {
    parts_.front() = std::move(joined);
    GIST_ASSIGN_OR_RETURN(joined, JoinKv(parts_));
  }
  parts_.clear();  // as large as `joined`
  GIST_ASSIGN_OR_RETURN(outcome_->kv,
                        InStorage(std::move(joined), work_.spec.storage));
  outcome_->compress_seconds = SecondsSince(started_);
  return Next::kDone;
}

// Adapters are swapped on this thread too: what holds now is what the document
// keeps.
absl::Status CompressJob::Begin(Engine& engine) {
  if (!work_.adapter_fingerprint.empty() &&
      engine.adapter().fingerprint != work_.adapter_fingerprint) {
    return Error(
        Reason::kAdapterChanged,
        "another adapter came into use while the document was compressed; try "
        "again");
  }
  document_ = cache_.TakeDocument(OwnerOf(work_), GroupTokens());
  if (document_ != nullptr) {
    done_ = GroupEnd();
    outcome_->cached_tokens += int64_t(GroupTokens().size());
    return absl::OkStatus();
  }
  GIST_ASSIGN_OR_RETURN(document_, engine.StartDocument(work_.spec.rung));
  return absl::OkStatus();
}

absl::Status CompressJob::Read(Engine& engine, int max_tokens) {
  const Clock::time_point start = Clock::now();
  const size_t size = std::min(size_t(max_tokens), GroupEnd() - done_);
  GIST_RETURN_IF_ERROR(
      engine.Prefill(*document_, std::span(work_.tokens).subspan(done_, size)));
  done_ += size;
  tokens_read_ += int64_t(size);
  outcome_->prefill_seconds += SecondsSince(start);
  outcome_->progress.Post({int64_t(done_), int64_t(work_.tokens.size())});
  return absl::OkStatus();
}

absl::Status CompressJob::Finish(Engine& engine) {
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(CompressedKv kv,
                        engine.Compress(*document_, work_.spec));
  const size_t slots = work_.spec.rung == Rung::kGist
                           ? size_t(work_.spec.gist_tokens)
                           : GroupTokens().size();
  if (!engine.model().HasShapeOf(kv) || !kv.IsUniform() ||
      kv.MostSlots() != slots) {
    return absl::InternalError(
        "compress: the engine made keys and values of a shape that is not its "
        "model's");
  }
  const auto tokens = GroupTokens();
  cache_.Put({OwnerOf(work_),
              {tokens.begin(), tokens.end()},
              {work_.document_id},
              work_.begun},
             std::move(document_));
  parts_.push_back(std::move(kv));
  outcome_->gist_seconds += SecondsSince(start);
  return absl::OkStatus();
}

void CompressJob::End(const absl::Status& status) {
  document_.reset();  // its memory is free when the caller hears of the end
  outcome_->progress.Close(status);
}

}  // namespace gist
