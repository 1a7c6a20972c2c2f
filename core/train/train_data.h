// What each step learns from: documents put together for tasks, users' records,
// or both in turn. A function of seed and step.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/base_model.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/passes/document.h"
#include "core/train/record_set.h"
#include "core/train/segment_pool.h"
#include "core/train/trainer.h"

namespace gist {

// What one pass over the model learns from.
struct Pass {
  std::vector<TrainDocument> documents;
  std::vector<TrainQuestion> questions;
  int64_t answer_tokens = 0;
  int64_t tokens = 0;  // of all kinds
};

class TrainData {
 public:
  // `base`, `model` and what `spec` points to outlive it. Errors: RecordSet's.
  static absl::StatusOr<std::unique_ptr<TrainData>> Create(
      const BaseModel& base, const BaseWeights& model, const TrainSpec& spec);
  // Makes what is new in `step`, and forgets what is too old. kInvalidArgument:
  // LessonWriter's.
  absl::Status MoveTo(int step);
  // A part of the reading that a step needs.
  struct Reading {
    std::string what;           // "reading filler text: 960 of 6,144 tokens"
    int64_t filler_tokens = 0;  // read by now, before the first step
  };
  // Does a part of the reading that `step` needs; none: it is done.
  std::optional<Reading> ReadForStep(int step);
  // The passes of `step`, which MoveTo has been called for.
  absl::StatusOr<std::vector<Pass>> Passes(int step, const TrainStage& stage);

 private:
  TrainData(const BaseModel& base, const TrainSpec& spec)
      : base_(base), recipe_(spec.recipe) {}
  std::vector<size_t> RecordsAt(int step);
  int DrawGists(Rng& rng) const;
  TrainDocument Assemble(const TrainSample& lesson, const TrainStage& stage,
                         Rng& rng);
  absl::Status AddDocument(TrainDocument document, const TaskSet& set,
                           Pass* pass);

  const BaseModel& base_;
  const TrainRecipe recipe_;
  std::optional<LessonWriter> writer_;  // where there are tasks
  std::optional<SegmentPool> pool_;
  std::unique_ptr<RecordSet> records_;  // where there are records
  std::optional<RecordOrder> record_order_;
};

}  // namespace gist
