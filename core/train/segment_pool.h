// Read segments that many documents share, and the documents put together from
// them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"
#include "core/train/train_sample.h"

namespace gist {

// A document and what is asked about it. Valid until the pool moves on.
struct Assembly {
  TrainDocument document;
  const TrainSample* lesson = nullptr;
  std::vector<std::pair<int, int>> needles;  // token ranges in the document
};

// Which segments are alive at a step is a function of seed and step alone, so
// that a resumed training finds the same ones; each is read when it is first
// wanted, always together with the batch it was made in, so that it has the
// same bits.
class SegmentPool {
 public:
  struct Options {
    uint64_t seed = 0;
    int segment_tokens = 0;
    int fresh_segments = 0;   // made in each step, about
    int cached_segments = 0;  // alive at a time, about
    int first_fillers = 64;   // made before the first step, at most
  };
  // All three outlive the pool.
  SegmentPool(const BaseWeights& model, const LessonWriter& writer,
              Options options);

  // Makes the batches up to `step` and forgets those that are too old. Steps
  // may be skipped: a resumed training starts in the middle.
  absl::Status MoveTo(int step);
  // Reads one batch that is alive but was never read; false: there is none.
  bool ReadOne() { return ReadOneBefore(next_step_); }
  // Likewise, but only what was made before the first step.
  bool ReadFirstFiller() { return ReadOneBefore(0); }
  // Tokens that were made before the first step and are alive: read, and all.
  struct FirstFiller {
    int64_t read = 0, all = 0;
  };
  FirstFiller first_filler() const;

  // The lessons made in the current step.
  std::vector<const TrainSample*> FreshLessons() const;
  // One of all that are alive. There is one.
  const TrainSample& AnyLesson(Rng& rng) const;
  // The lesson in a document of `tokens` tokens, or as many more as its needles
  // take; the rest is filler of its language. `lesson` is alive in this pool.
  Assembly Assemble(const TrainSample& lesson, int tokens, int gist_tokens,
                    Rng& rng);

 private:
  struct Batch {
    int step = 0;
    std::vector<TrainSample> lessons;
    std::vector<std::string> filler_languages;
    std::vector<int32_t> ids;   // segments: those of the lessons, then filler
    at::Tensor kv;              // of ReadSegments; undefined until it is wanted
    int64_t fillers_begin = 0;  // index of the first filler segment
  };
  // A segment by place.
  struct Place {
    Batch* batch = nullptr;
    int64_t index = 0;
  };

  bool ReadOneBefore(int step);
  absl::StatusOr<Batch> MakeBatch(int step) const;
  absl::Status AddFiller(Batch* batch, int count, Rng& rng) const;
  int FillersAt(int step) const;
  void Append(const Place& place, TrainDocument* document);
  Place FirstSegmentOf(const TrainSample& lesson);
  std::vector<Place> FillerPlaces(const std::string& language);
  std::vector<Place> DrawFiller(const std::string& language, size_t count,
                                Rng& rng);

  const BaseWeights& model_;
  const LessonWriter& writer_;
  const Options options_;
  int first_step_;  // negative: batches of filler before the first step
  int window_;      // steps that a batch lives
  int next_step_;
  std::deque<Batch> batches_;  // oldest first; addresses are stable
};

}  // namespace gist
