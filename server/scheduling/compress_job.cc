#include "server/scheduling/compress_job.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/base/status.h"
#include "server/support/errors.h"

namespace gist {
namespace {

// Appends `rows` rows of `part` for each layer and head.
void JoinValues(const std::vector<GistKv>& parts,
                std::vector<float> GistKv::*member, GistKv& joined) {
  std::vector<float>& out = joined.*member;
  out.reserve(joined.Elements());
  for (int head = 0; head < joined.layers * joined.kv_heads; ++head) {
    for (const GistKv& part : parts) {
      const auto size = std::ptrdiff_t(part.gist_tokens) * part.head_dim;
      const auto first = (part.*member).begin() + head * size;
      out.insert(out.end(), first, first + size);
    }
  }
}

// No tenant finds out by the clock what another one read.
std::string OwnerOf(const CompressWork& work) {
  return fmt::format("{}/{}", work.tenant, work.adapter_fingerprint);
}

}  // namespace

GistKv JoinGists(const std::vector<GistKv>& parts) {
  GistKv joined;
  joined.layers = parts.front().layers;
  joined.kv_heads = parts.front().kv_heads;
  joined.head_dim = parts.front().head_dim;
  for (const GistKv& part : parts) joined.gist_tokens += part.gist_tokens;
  JoinValues(parts, &GistKv::keys, joined);
  JoinValues(parts, &GistKv::values, joined);
  return joined;
}

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
                                          : WriteGists(engine));
  if (parts_.size() < size_t(work_.groups)) return Next::kStep;
  outcome_->gists = JoinGists(parts_);
  outcome_->compress_seconds = SecondsSince(started_);
  return Next::kDone;
}

// Adapters are swapped on this thread too: what holds now is what the document
// keeps.
absl::Status CompressJob::Begin(Engine& engine) {
  if (engine.adapter().fingerprint != work_.adapter_fingerprint) {
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
  GIST_ASSIGN_OR_RETURN(document_, engine.StartDocument());
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

absl::Status CompressJob::WriteGists(Engine& engine) {
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(GistKv gists,
                        engine.MakeGists(*document_, work_.gists_per_group));
  if (!engine.model().HasShapeOf(gists) ||
      gists.gist_tokens != work_.gists_per_group ||
      gists.keys.size() != gists.Elements() ||
      gists.values.size() != gists.Elements()) {
    return absl::InternalError(
        "compress: the engine made gists of a shape "
        "that is not its model's");
  }
  const auto tokens = GroupTokens();
  cache_.Put({OwnerOf(work_),
              {tokens.begin(), tokens.end()},
              {work_.document_id},
              work_.begun},
             std::move(document_));
  parts_.push_back(std::move(gists));
  outcome_->gist_seconds += SecondsSince(start);
  return absl::OkStatus();
}

void CompressJob::End(const absl::Status& status) {
  document_.reset();  // its memory is free when the caller hears of the end
  outcome_->progress.Close(status);
}

}  // namespace gist
