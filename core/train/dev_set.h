// Documents that are never trained on, and how well their questions are answered.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base_model.h"
#include "core/train/gist_writer.h"
#include "core/train/lesson.h"
#include "core/train/segment_pool.h"
#include "core/trainer.h"

namespace gist {

// Of answers by greedy generation.
struct DevScore {
  int samples = 0;
  int exact = 0;          // equal to the answer but for white space around it
  double characters = 0;  // sum over samples: share of the answer's bytes in place

  void Add(const DevScore& other);
  double accuracy() const { return samples > 0 ? double(exact) / samples : 0; }
};
using DevScores = std::map<std::string, DevScore>;  // by language

// Gists of a batch, [first_row, first_row + count), as plain numbers.
GistKv ToGistKv(const WrittenGists& gists, const ModelConfig& config,
                int64_t first_row, int count);

// How `answer` does for one that should be `wanted`.
DevScore ScoreAnswer(std::string_view answer, std::string_view wanted);

// The same documents for every evaluation: lessons and filler are fixed by the
// seed, a stage's length fixes where they stand. `base` and `model` outlive it.
class DevSet {
 public:
  DevSet(const BaseModel& base, const FrozenModel& model, const GistLayout& layout,
         std::shared_ptr<const TaskSource> tasks, int samples, uint64_t seed);

  // Makes the lessons, once.
  absl::Status Prepare();
  // Reads some of the segments; false: all have been read.
  bool ReadOne() { return pool_.ReadOne(); }
  int lessons() const { return int(lessons_.size()); }

  // Answers all questions of lessons [begin, end) in documents of `tokens` tokens,
  // in one batch.
  absl::StatusOr<DevScores> Score(int begin, int end, int tokens,
                                  const Adapter::Impl& adapter);

 private:
  absl::StatusOr<std::vector<std::string>> Answer(
      std::span<const GistKv> gists, std::span<const Task> tasks) const;
  absl::Status Decode(std::vector<KvCache>* caches,
                      std::vector<std::vector<float>> logits,
                      std::span<const int> limits,
                      std::vector<std::string>* answers) const;

  const BaseModel& base_;
  const FrozenModel& model_;
  const GistLayout layout_;
  const std::shared_ptr<const TaskSource> tasks_;
  const int samples_;
  const uint64_t seed_;
  LessonWriter writer_;
  SegmentPool pool_;
  std::vector<const Lesson*> lessons_;
};

}  // namespace gist
