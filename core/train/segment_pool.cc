#include "core/train/segment_pool.h"

#include <algorithm>

#include "core/base/status.h"

namespace gist {
namespace {

constexpr uint64_t kBatchStream = 1;
constexpr int kFillerShare = 4;  // one fresh segment of these is filler
constexpr int kLeastWindow = 8;  // steps: some filler is always alive

// A needle unit's or a filler's turn in a document.
struct Turn {
  const NeedleUnit* unit = nullptr;  // null: filler
  int64_t first_segment = 0;         // of the unit, in its batch
};

int SegmentsOf(const TrainSample& lesson, int segment_tokens) {
  int segments = 0;
  for (const NeedleUnit& unit : lesson.units) {
    segments += int(unit.ids.size()) / segment_tokens;
  }
  return segments;
}

// Units keep their order; filler stands anywhere between them.
std::vector<Turn> Turns(const TrainSample& lesson, size_t fillers,
                        int64_t first_segment, int segment_tokens, Rng& rng) {
  std::vector<Turn> turns;
  size_t unit = 0;
  while (turns.size() < lesson.units.size() + fillers) {
    const size_t units_left = lesson.units.size() - unit;
    const size_t left = lesson.units.size() + fillers - turns.size();
    if (rng.Below(left) < units_left) {
      turns.push_back({&lesson.units[unit], first_segment});
      first_segment += int64_t(lesson.units[unit].ids.size()) / segment_tokens;
      ++unit;
    } else {
      turns.push_back({});
    }
  }
  return turns;
}

}  // namespace

SegmentPool::SegmentPool(const BaseWeights& model, const LessonWriter& writer,
                         Options options)
    : model_(model), writer_(writer), options_(options) {
  const int fresh = std::max(1, options.fresh_segments);
  const int fillers =
      std::min(options.first_fillers,
               std::max(fresh, options.cached_segments / kFillerShare));
  first_step_ = -(fillers + fresh - 1) / fresh;
  window_ = std::max(kLeastWindow, options.cached_segments / fresh);
  next_step_ = first_step_;
}

int SegmentPool::FillersAt(int step) const {
  const int fresh = std::max(1, options_.fresh_segments);
  if (step < 0) return fresh;
  return (step + 1) * fresh / kFillerShare - step * fresh / kFillerShare;
}

// Filler in the languages of the tasks, as often as they come.
absl::Status SegmentPool::AddFiller(Batch* batch, int count, Rng& rng) const {
  for (int i = 0; i < count; ++i) {
    std::string language = writer_.NextLanguage(rng);
    GIST_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          writer_.Filler(language, rng));
    batch->ids.insert(batch->ids.end(), ids.begin(), ids.end());
    batch->filler_languages.push_back(std::move(language));
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentPool::Batch> SegmentPool::MakeBatch(int step) const {
  Rng rng = DerivedRng(options_.seed, kBatchStream, uint64_t(int64_t(step)));
  Batch batch;
  batch.step = step;
  const int fillers = FillersAt(step);
  const int lesson_segments = std::max(1, options_.fresh_segments - fillers);
  for (int made = 0; step >= 0 && made < lesson_segments;) {
    GIST_ASSIGN_OR_RETURN(TrainSample lesson, writer_.Next(rng));
    for (const NeedleUnit& unit : lesson.units) {
      batch.ids.insert(batch.ids.end(), unit.ids.begin(), unit.ids.end());
    }
    made += std::max(1, SegmentsOf(lesson, options_.segment_tokens));
    batch.lessons.push_back(std::move(lesson));
  }
  batch.fillers_begin = int64_t(batch.ids.size()) / options_.segment_tokens;
  GIST_RETURN_IF_ERROR(AddFiller(&batch, fillers, rng));
  return batch;
}

absl::Status SegmentPool::MoveTo(int step) {
  next_step_ = std::max(next_step_, step - window_ + 1);
  for (; next_step_ <= step; ++next_step_) {
    GIST_ASSIGN_OR_RETURN(Batch batch, MakeBatch(next_step_));
    batches_.push_back(std::move(batch));
  }
  while (batches_.front().step <= step - window_) batches_.pop_front();
  return absl::OkStatus();
}

bool SegmentPool::ReadOneBefore(int step) {
  for (Batch& batch : batches_) {
    if (batch.step >= step || batch.kv.defined() || batch.ids.empty()) continue;
    batch.kv = ReadSegments(model_, batch.ids, options_.segment_tokens);
    return true;
  }
  return false;
}

SegmentPool::FirstFiller SegmentPool::first_filler() const {
  FirstFiller filler;
  for (const Batch& batch : batches_) {
    if (batch.step >= 0) break;
    filler.all += int64_t(batch.ids.size());
    if (batch.kv.defined()) filler.read += int64_t(batch.ids.size());
  }
  return filler;
}

std::vector<const TrainSample*> SegmentPool::FreshLessons() const {
  std::vector<const TrainSample*> lessons;
  for (const TrainSample& lesson : batches_.back().lessons)
    lessons.push_back(&lesson);
  return lessons;
}

const TrainSample& SegmentPool::AnyLesson(Rng& rng) const {
  size_t lessons = 0;
  for (const Batch& batch : batches_) lessons += batch.lessons.size();
  size_t index = rng.Below(lessons);
  auto batch = batches_.begin();
  for (; index >= batch->lessons.size(); ++batch)
    index -= batch->lessons.size();
  return batch->lessons[index];
}

void SegmentPool::Append(const Place& place, TrainDocument* document) {
  Batch& batch = *place.batch;
  if (!batch.kv.defined()) {
    batch.kv = ReadSegments(model_, batch.ids, options_.segment_tokens);
  }
  document->segments.push_back(batch.kv.select(0, place.index));
  const auto first =
      batch.ids.begin() + place.index * int64_t(options_.segment_tokens);
  document->ids.insert(document->ids.end(), first,
                       first + options_.segment_tokens);
}

SegmentPool::Place SegmentPool::FirstSegmentOf(const TrainSample& lesson) {
  for (Batch& batch : batches_) {
    int64_t index = 0;
    for (const TrainSample& other : batch.lessons) {
      if (&other == &lesson) return {&batch, index};
      index += SegmentsOf(other, options_.segment_tokens);
    }
  }
  return {};
}

std::vector<SegmentPool::Place> SegmentPool::FillerPlaces(
    const std::string& language) {
  std::vector<Place> places, others;
  for (Batch& batch : batches_) {
    for (size_t i = 0; i < batch.filler_languages.size(); ++i) {
      const bool same = batch.filler_languages[i] == language;
      (same ? places : others)
          .push_back({&batch, batch.fillers_begin + int64_t(i)});
    }
  }
  return places.empty() ? others : places;
}

// Each once, until all have been drawn.
std::vector<SegmentPool::Place> SegmentPool::DrawFiller(
    const std::string& language, size_t count, Rng& rng) {
  const std::vector<Place> all = FillerPlaces(language);
  std::vector<Place> drawn, left;
  while (drawn.size() < count && !all.empty()) {
    if (left.empty()) left = all;
    const size_t index = rng.Below(left.size());
    drawn.push_back(left[index]);
    left[index] = left.back();
    left.pop_back();
  }
  return drawn;
}

Assembly SegmentPool::Assemble(const TrainSample& lesson, int tokens,
                               int gist_tokens, Rng& rng) {
  const int size = options_.segment_tokens;
  const Place first = FirstSegmentOf(lesson);
  const int lesson_segments = SegmentsOf(lesson, size);
  const int wanted = std::max((tokens + size - 1) / size, lesson_segments);
  const std::vector<Place> filler =
      DrawFiller(lesson.set.language, size_t(wanted - lesson_segments), rng);
  const int segments = lesson_segments + int(filler.size());
  Assembly assembly;
  assembly.lesson = &lesson;
  size_t next_filler = 0;
  int least_tokens = (segments - 1) * size + 1;
  for (const Turn& turn :
       Turns(lesson, filler.size(), first.index, size, rng)) {
    const int begin = int(assembly.document.segments.size()) * size;
    if (turn.unit == nullptr) {
      Append(filler[next_filler++], &assembly.document);
      continue;
    }
    for (int i = 0; i < int(turn.unit->ids.size()) / size; ++i) {
      Append({first.batch, turn.first_segment + i}, &assembly.document);
    }
    for (const auto& [from, to] : turn.unit->needles) {
      assembly.needles.emplace_back(begin + from, begin + to);
      least_tokens = std::max(least_tokens, begin + to);
    }
  }
  assembly.document.gist_tokens = gist_tokens;
  assembly.document.tokens =
      std::min(std::max(tokens, least_tokens), segments * size);
  assembly.document.ids.resize(size_t(assembly.document.tokens));
  return assembly;
}

}  // namespace gist
