// Documents that are never trained on, and how well their questions are
// answered.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/base_model.h"
#include "core/train/passes/gist_writer.h"
#include "core/train/record_set.h"
#include "core/train/segment_pool.h"
#include "core/train/train_sample.h"
#include "core/train/trainer.h"

namespace gist {

// Of answers by greedy generation.
struct DevScore {
  int samples = 0;
  int exact = 0;  // equal to the answer but for white space around it
  double characters =
      0;  // sum over samples: share of the answer's bytes in place

  void Add(const DevScore& other);
  double accuracy() const { return samples > 0 ? double(exact) / samples : 0; }
};
// By language, and by family but for passkeys: "en", "en keyed".
using DevScores = std::map<std::string, DevScore>;

// Gists of a batch, [first_row, first_row + count), as plain numbers.
GistKv ToGistKv(const WrittenGists& gists, const ModelConfig& config,
                int64_t first_row, int count);

// How `answer` does for one that should be `wanted`.
DevScore ScoreAnswer(std::string_view answer, std::string_view wanted);

// The same documents for every evaluation: records, or lessons and filler that
// are fixed by the seed while a stage's length fixes where they stand. `base`
// and `model` outlive it.
class DevSet {
 public:
  DevSet(const BaseModel& base, const BaseWeights& model,
         const GistLayout& layout, uint64_t seed)
      : base_(base), model_(model), layout_(layout), seed_(seed) {}

  // One of these, once. `samples`: questions, about.
  absl::Status UseTasks(std::shared_ptr<const TaskSource> tasks, int samples);
  absl::Status UseRecords(std::vector<Record> records);
  // Reads some of the segments; false: all have been read.
  bool ReadOne() { return pool_ && pool_->ReadOne(); }
  int documents() const {
    return records_ ? int(records_->size()) : int(lessons_.size());
  }
  // Where a batch from `begin` on that is answered in seconds ends.
  int BatchEnd(int begin) const;

  // Answers all questions about documents [begin, end), of `tokens` tokens
  // where they are put together, in one batch.
  absl::StatusOr<DevScores> Score(int begin, int end, int tokens,
                                  const Adapter::Impl& adapter);

 private:
  struct Sample {
    TrainDocument document;
    TaskSet set;
  };
  Sample SampleAt(int index, int tokens);
  // By an adapter that acts on question and answer too.
  absl::StatusOr<std::vector<std::string>> AnswerEverywhere(
      const WrittenGists& gists, std::span<const int64_t> first_rows,
      std::span<const Task> tasks, const Adapter::Impl& adapter) const;
  // `first_rows`: of each task's gists.
  absl::StatusOr<std::vector<std::string>> Answer(
      const WrittenGists& gists, std::span<const int64_t> first_rows,
      std::span<const Task> tasks) const;
  absl::Status Decode(std::vector<KvCache>* caches,
                      std::vector<std::vector<float>> logits,
                      std::span<const int> limits,
                      std::vector<std::string>* answers) const;

  const BaseModel& base_;
  const BaseWeights& model_;
  const GistLayout layout_;
  const uint64_t seed_;
  std::unique_ptr<RecordSet> records_;
  std::shared_ptr<const TaskSource> tasks_;
  std::unique_ptr<LessonWriter> writer_;
  std::unique_ptr<SegmentPool> pool_;
  std::vector<const TrainSample*> lessons_;
};

}  // namespace gist
