#include "core/train/train_data.h"

#include <cmath>

#include "core/base/status.h"

namespace gist {
namespace {

constexpr uint64_t kDrawStream = 2;

SegmentPool::Options PoolOptions(const TrainRecipe& recipe) {
  return {.seed = recipe.seed,
          .segment_tokens = recipe.layout.segment_tokens,
          .fresh_segments = recipe.fresh_segments_per_step,
          .cached_segments = recipe.cached_segments};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainData>> TrainData::Create(
    const BaseModel& base, const BaseWeights& model, const TrainSpec& spec) {
  std::unique_ptr<TrainData> data(new TrainData(base, spec));
  const GistLayout& layout = spec.recipe.layout;
  if (!spec.records.empty()) {
    GIST_ASSIGN_OR_RETURN(
        data->records_,
        RecordSet::Create(model, *base.tokenizer, layout, spec.records,
                          spec.recipe.cached_segments));
    data->record_order_.emplace(spec.recipe.seed, data->records_->size());
  }
  const bool only_records = data->records_ != nullptr && spec.recipe.epochs > 0;
  if (spec.tasks != nullptr && !only_records) {
    data->writer_.emplace(*spec.tasks, *base.tokenizer, layout.segment_tokens);
    data->pool_.emplace(model, *data->writer_, PoolOptions(spec.recipe));
  }
  return data;
}

absl::Status TrainData::MoveTo(int step) {
  return pool_ ? pool_->MoveTo(step) : absl::OkStatus();
}

std::optional<TrainData::Reading> TrainData::ReadForStep(int step) {
  if (pool_ && pool_->ReadFirstFiller()) {
    const SegmentPool::FirstFiller filler = pool_->first_filler();
    return Reading{fmt::format("reading filler text: {} of {} tokens",
                               filler.read, filler.all),
                   filler.read};
  }
  if (!records_) return std::nullopt;
  const std::vector<size_t> records = RecordsAt(step);
  records_->MakeRoomFor(records);
  if (!records_->ReadOne(records)) return std::nullopt;
  return Reading{"reading documents", 0};
}

// Records that a step learns from: all of its documents, or every second one
// where there are tasks too.
std::vector<size_t> TrainData::RecordsAt(int step) {
  const uint64_t documents = uint64_t(recipe_.documents_per_step) *
                             uint64_t(recipe_.accumulate_passes);
  const uint64_t begin = documents * uint64_t(step);
  std::vector<size_t> records;
  for (uint64_t i = begin; i < begin + documents; ++i) {
    if (!pool_) records.push_back(record_order_->At(i));
    if (pool_ && i % 2 == 1) records.push_back(record_order_->At(i / 2));
  }
  return records;
}

int TrainData::DrawGists(Rng& rng) const {
  if (recipe_.gist_counts.empty()) return recipe_.layout.gist_tokens;
  return rng.Pick(std::span<const int>(recipe_.gist_counts));
}

TrainDocument TrainData::Assemble(const TrainSample& lesson,
                                  const TrainStage& stage, Rng& rng) {
  const double low = std::log(stage.min_tokens),
               high = std::log(stage.max_tokens);
  const int tokens = int(std::lround(std::exp(rng.Uniform(low, high))));
  const int gists = DrawGists(rng);
  return pool_->Assemble(lesson, tokens, gists, rng).document;
}

absl::Status TrainData::AddDocument(TrainDocument document, const TaskSet& set,
                                    Pass* pass) {
  int64_t row = 0;
  for (const TrainDocument& other : pass->documents) row += other.gist_tokens;
  pass->tokens += document.tokens + document.gist_tokens;
  for (const Task& task : set.tasks) {
    TrainQuestion question;
    question.first_gist_row = row;
    question.gist_tokens = document.gist_tokens;
    GIST_ASSIGN_OR_RETURN(question.question,
                          base_.chat.Question(task.question, *base_.tokenizer));
    GIST_ASSIGN_OR_RETURN(question.answer,
                          base_.tokenizer->Encode(task.answer));
    question.answer.push_back(base_.chat.end_of_turn());
    pass->answer_tokens += int64_t(question.answer.size());
    pass->tokens += int64_t(question.question.size() + question.answer.size());
    pass->questions.push_back(std::move(question));
  }
  pass->documents.push_back(std::move(document));
  return absl::OkStatus();
}

// Of the lessons, what was just made comes first; the rest is drawn from all
// that are alive.
absl::StatusOr<std::vector<Pass>> TrainData::Passes(int step,
                                                    const TrainStage& stage) {
  Rng rng = DerivedRng(recipe_.seed, kDrawStream, uint64_t(step));
  std::vector<size_t> records;
  if (records_) records = RecordsAt(step);
  std::vector<const TrainSample*> fresh;
  if (pool_) fresh = pool_->FreshLessons();
  const uint64_t documents = uint64_t(recipe_.documents_per_step);
  std::vector<Pass> passes(size_t(recipe_.accumulate_passes));
  uint64_t number =
      documents * uint64_t(recipe_.accumulate_passes) * uint64_t(step);
  size_t next_record = 0, next_lesson = 0;
  for (Pass& pass : passes) {
    for (uint64_t i = 0; i < documents; ++i, ++number) {
      if (records_ && (!pool_ || number % 2 == 1)) {
        const size_t record = records[next_record++];
        GIST_RETURN_IF_ERROR(
            AddDocument(records_->Document(record, DrawGists(rng)),
                        records_->Tasks(record), &pass));
        continue;
      }
      const TrainSample& lesson = next_lesson < fresh.size()
                                      ? *fresh[next_lesson++]
                                      : pool_->AnyLesson(rng);
      GIST_RETURN_IF_ERROR(
          AddDocument(Assemble(lesson, stage, rng), lesson.set, &pass));
    }
  }
  return passes;
}

}  // namespace gist
