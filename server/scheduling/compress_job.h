// Scheduler job that prefills a document and compresses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/scheduling/caller.h"
#include "server/scheduling/kv_cache_pool.h"
#include "server/scheduling/mailbox.h"
#include "server/scheduling/scheduler.h"

namespace gist {

struct CompressProgress {
  int64_t done_tokens = 0;  // read so far
  int64_t total_tokens = 0;
};

struct CompressWork {
  std::vector<int32_t> tokens;  // of the document, one or more
  int groups = 1;               // read one by one, as equal as can be
  CompressionSpec spec;         // gist_tokens: of each group
  std::string tenant;           // whose document it is
  std::string document_id;
  // Of the adapter that the plan is made for; empty: the rung needs none.
  std::string adapter_fingerprint;
  uint64_t begun = 0;  // as CachedText's
};

// Shared by the job and the one who waits. All but the mailbox may be read once
// that is closed with OK.
struct CompressOutcome {
  Mailbox<CompressProgress> progress;
  CompressedKv kv;  // of all groups, in order, in the spec's storage
  double queue_seconds = 0;
  double prefill_seconds = 0;   // in the engine
  int64_t cached_tokens = 0;    // that were not read again
  double gist_seconds = 0;      // in the engine: making the representation
  double compress_seconds = 0;  // wall time, without the queue
};

// Keeps what it has read in `cache`, and uses what is there. Ends with kAborted
// if another adapter came into use before a group was begun.
class CompressJob : public Job {
 public:
  CompressJob(CompressWork work, std::shared_ptr<CompressOutcome> outcome,
              KvCachePool& cache);

  QueueClass queue_class() const override { return QueueClass::kCompress; }
  int64_t tokens_left() const override {
    return int64_t(work_.tokens.size() - done_);
  }
  int64_t tokens_read() const override { return tokens_read_; }
  int64_t kv_tokens() const override { return int64_t(GroupBorder(1)); }
  absl::StatusOr<Next> Step(Engine& engine, int max_tokens) override;
  void End(const absl::Status& status) override;

 private:
  absl::Status Begin(Engine& engine);
  // Indices of the current group's first token and of the one behind its last.
  size_t GroupBegin() const { return GroupBorder(parts_.size()); }
  size_t GroupEnd() const { return GroupBorder(parts_.size() + 1); }
  size_t GroupBorder(size_t group) const {
    return work_.tokens.size() * group / size_t(work_.groups);
  }
  std::span<const int32_t> GroupTokens() const {
    return std::span(work_.tokens)
        .subspan(GroupBegin(), GroupEnd() - GroupBegin());
  }
  absl::Status Read(Engine& engine, int max_tokens);
  absl::Status Finish(Engine& engine);

  const CompressWork work_;
  const std::shared_ptr<CompressOutcome> outcome_;
  KvCachePool& cache_;
  const Clock::time_point submitted_ = Clock::now();
  Clock::time_point started_;
  std::unique_ptr<DocumentSequence> document_;  // the current group
  size_t done_ = 0;                             // tokens read, or found read
  int64_t tokens_read_ = 0;
  std::vector<CompressedKv> parts_;  // of the groups that are done
};

}  // namespace gist
