#include "core/train/record_set.h"

#include <algorithm>
#include <numeric>

#include "core/base/status.h"
#include "core/train/train_sample.h"

namespace gist {
namespace {

constexpr uint64_t kOrderStream = 4;

absl::Status CheckRecord(const Record& record, size_t number) {
  const char* const missing = record.context.empty()    ? "context"
                              : record.question.empty() ? "question"
                              : record.answer.empty()   ? "answer"
                                                        : nullptr;
  if (missing == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("record {}: its {} is empty: remove the line or fill it in",
                  number, missing));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordSet>> RecordSet::Create(
    const BaseWeights& model, const Tokenizer& tokenizer,
    const GistLayout& layout, std::vector<Record> records, int segment_budget) {
  std::unique_ptr<RecordSet> set(
      new RecordSet(model, layout.segment_tokens, segment_budget));
  for (size_t i = 0; i < records.size(); ++i) {
    GIST_RETURN_IF_ERROR(CheckRecord(records[i], i + 1));
    auto ids = tokenizer.Encode(records[i].context);
    if (!ids.ok()) return Within(fmt::format("record {}", i + 1), ids.status());
    if (ids->empty() || ids->size() > size_t(layout.max_document_tokens)) {
      return absl::InvalidArgumentError(
          fmt::format("record {}: {} tokens, want 1 to {}: shorten it, or set "
                      "layout.max_document_tokens",
                      i + 1, ids->size(), layout.max_document_tokens));
    }
    set->ids_.push_back(*std::move(ids));
  }
  set->records_ = std::move(records);
  return set;
}

void RecordSet::MakeRoomFor(std::span<const size_t> wanted) {
  int64_t segments = 0;
  for (const size_t index : wanted) {
    if (!kept_.contains(index)) segments += Segments(index);
  }
  for (const auto& [index, kept] : kept_) segments += Segments(index);
  while (segments > segment_budget_) {
    auto oldest = kept_.end();
    for (auto it = kept_.begin(); it != kept_.end(); ++it) {
      if (std::ranges::find(wanted, it->first) != wanted.end()) continue;
      if (oldest == kept_.end() ||
          it->second.last_use < oldest->second.last_use) {
        oldest = it;
      }
    }
    if (oldest == kept_.end()) return;  // the step takes more than the budget
    segments -= Segments(oldest->first);
    kept_.erase(oldest);
  }
}

// The last segment is filled up with any token: what comes after a text changes
// nothing in it.
void RecordSet::Read(size_t index) {
  std::vector<int32_t> ids = ids_[index];
  ids.resize(size_t(Segments(index)) * size_t(segment_tokens_), ids[0]);
  kept_[index] = {ReadSegments(model_, ids, segment_tokens_), ++uses_};
}

bool RecordSet::ReadOne(std::span<const size_t> wanted) {
  for (const size_t index : wanted) {
    if (kept_.contains(index)) continue;
    Read(index);
    return true;
  }
  return false;
}

TrainDocument RecordSet::Document(size_t index, int gist_tokens) {
  if (!kept_.contains(index)) Read(index);
  Kept& kept = kept_[index];
  kept.last_use = ++uses_;
  TrainDocument document{
      .tokens = tokens(index), .ids = ids_[index], .gist_tokens = gist_tokens};
  for (int64_t i = 0; i < Segments(index); ++i) {
    document.segments.push_back(kept.kv.select(0, i));
  }
  return document;
}

TaskSet RecordSet::Tasks(size_t index) const {
  const Record& record = records_[index];
  Task task;
  task.family = record.family;
  task.frame = record.frame;
  task.question = record.question;
  task.answer = record.answer;
  return {.language = record.language.empty() ? "all" : record.language,
          .tasks = {std::move(task)}};
}

size_t RecordOrder::At(uint64_t draw) {
  if (epoch_ != draw / records_) {
    epoch_ = draw / records_;
    order_.resize(records_);
    std::iota(order_.begin(), order_.end(), size_t{0});
    Rng rng = DerivedRng(seed_, kOrderStream, epoch_);
    rng.Shuffle(std::span(order_));
  }
  return order_[draw % records_];
}

}  // namespace gist
